// Real OpenID providers on loopback: two tenants of one house, with the same keys and users.
//
// Usage: node provider.mjs PORT PORT (0: any free one), then JSON, one object a line, on standard
// input. An object with "keys" sets the providers up anew, and so rotates their keys:
//   keys       names of signing keys, the one that signs first: "RS256:old", made when first named
//   resources  resource indicator -> what getResourceServerInfo gives
//   claims     user -> claims of theirs that go into access tokens
// Every line is answered by one: the issuers, and how often a key set was fetched.
// Ends with its standard input.

import { generateKeyPairSync } from 'node:crypto';
import { createServer } from 'node:http';
import { createInterface } from 'node:readline';

import { Provider, errors } from 'oidc-provider';

console.info = console.error; // standard output is for answers

const KINDS = {
  RS256: ['rsa', { modulusLength: 2048 }],
  ES256: ['ec', { namedCurve: 'P-256' }],
};
const keys = new Map();
const tenants = process.argv.slice(2).map(() => ({ issuer: '', handle: undefined }));
let fetches = 0;

function keyNamed(name) {
  if (!keys.has(name)) {
    const pair = generateKeyPairSync(...KINDS[name.split(':')[0]]);
    keys.set(name, pair.privateKey.export({ format: 'jwk' })); // the provider derives the kid
  }
  return keys.get(name);
}

function provide(issuer, { keys: names, resources, claims }) {
  return new Provider(issuer, {
    jwks: { keys: names.map(keyNamed) },
    clients: [
      {
        client_id: 'spa',
        application_type: 'native',
        token_endpoint_auth_method: 'none', // a public client: PKCE instead of a secret
        redirect_uris: ['http://127.0.0.1/callback'],
      },
    ],
    cookies: { keys: ['only for tests'] },
    extraTokenClaims: (_ctx, token) => claims[token.accountId],
    features: {
      devInteractions: { enabled: true },
      resourceIndicators: {
        enabled: true,
        getResourceServerInfo(_ctx, indicator) {
          if (!(indicator in resources)) throw new errors.InvalidTarget();
          return resources[indicator];
        },
      },
    },
    ttl: { Grant: 300, IdToken: 300, Interaction: 300, Session: 300 },
  }).callback();
}

async function listen(tenant, port) {
  const server = createServer((request, response) => {
    if (request.url === '/jwks') fetches += 1;
    tenant.handle(request, response);
  });
  await new Promise((resolve) => server.listen(Number(port), '127.0.0.1', resolve));
  tenant.issuer = `http://127.0.0.1:${server.address().port}`;
}

await Promise.all(tenants.map((tenant, i) => listen(tenant, process.argv[2 + i])));
for await (const line of createInterface({ input: process.stdin })) {
  const asked = JSON.parse(line);
  if (asked.keys) for (const tenant of tenants) tenant.handle = provide(tenant.issuer, asked);
  console.log(JSON.stringify({ issuers: tenants.map((tenant) => tenant.issuer), fetches }));
}
process.exit();
