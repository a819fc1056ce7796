// Verifiers from npm. Usage: JSON, one object a line, on standard input; each is answered by one
// line: {"claims": ...} or {"refused": reason}. Ends with its standard input.
//   {"with": "clerk", "token", "jwtKey", "authorizedParties"}
//   {"with": "jose", "token", "url", "issuer", "algorithm"}; a key set is fetched anew by
//     jose's own rules, but without its pause after a fetch.

import { createInterface } from 'node:readline';

import { verifyToken } from '@clerk/backend';
import { createRemoteJWKSet, jwtVerify } from 'jose';

console.info = console.warn = console.error; // standard output is for answers

const sets = new Map();

const verifiers = {
  clerk: ({ token, jwtKey, authorizedParties }) =>
    verifyToken(token, { jwtKey, authorizedParties }),

  async jose({ token, url, issuer, algorithm }) {
    if (!sets.has(url)) sets.set(url, createRemoteJWKSet(new URL(url), { cooldownDuration: 0 }));
    const rules = {
      algorithms: [algorithm],
      issuer,
      requiredClaims: ['exp', 'iat', 'sub', 'jti'],
      typ: 'JWT',
    };
    return (await jwtVerify(token, sets.get(url), rules)).payload;
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const order = JSON.parse(line);
  let answer;
  try {
    answer = { claims: await verifiers[order.with](order) };
  } catch (error) {
    answer = { refused: error.reason ?? error.code ?? String(error) };
  }
  console.log(JSON.stringify(answer));
}
