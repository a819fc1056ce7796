// A React page with supertokens-auth-react as npm has it. It shows what the package knows.
import { createRoot } from "react-dom/client";
import SuperTokens, { SuperTokensWrapper } from "supertokens-auth-react";
import Session, {
  BooleanClaim,
  SessionAuth,
  signOut,
  useClaimValue,
  useSessionContext,
} from "supertokens-auth-react/recipe/session";

const verified = new BooleanClaim({ id: "verified", refresh: async () => undefined });
const here = window.location.origin;

SuperTokens.init({
  appInfo: { appName: "site", apiDomain: here, websiteDomain: here, apiBasePath: "/auth" },
  recipeList: [
    Session.init({ tokenTransferMethod: new URLSearchParams(location.search).get("method") }),
  ],
});

function Shown() {
  const session = useSessionContext();
  const claim = useClaimValue(verified);
  if (session.loading) return null;
  return (
    <>
      <p id="user">{session.doesSessionExist ? session.userId : "nobody"}</p>
      <p id="plan">{session.accessTokenPayload.plan ?? "none"}</p>
      <p id="verified">{claim.loading || claim.value === undefined ? "?" : String(claim.value)}</p>
    </>
  );
}

const posting = (path) => () => fetch(path, { method: "POST" });

createRoot(document.getElementById("root")).render(
  <SuperTokensWrapper>
    <SessionAuth requireAuth={false}>
      <Shown />
      <button onClick={posting("/api/sign-in")}>Sign in</button>
      <button onClick={posting("/api/plan/pro")}>Upgrade</button>
      <button onClick={() => fetch("/api/me")}>Look</button>
      <button onClick={() => signOut()}>Sign out</button>
    </SessionAuth>
  </SuperTokensWrapper>,
);
