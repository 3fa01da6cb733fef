// An OpenID provider (oidc-provider, which the OpenID Foundation has certified) with
// Slack's claims. Whoever is named in its login form is signed in; any password will do.
//
// Settings: alg (that ID tokens are signed with), auth_method (how clients authenticate),
// conform (true: ID tokens hold the claims of the openid scope only, the rest is at
// userinfo), slack_scope (the scope that brings Slack's own claims), client_id,
// client_secret, redirect_uri, accounts (claims by sub).
import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import Provider from 'oidc-provider';
import { listening, settings } from './listening.mjs';

const key = (kind, options) => generateKeyPairSync(kind, options).privateKey.export({ format: 'jwk' });

const claims = { openid: ['sub'], email: ['email', 'email_verified'], profile: ['name'] };
claims[settings.slack_scope].push('https://slack.com/team_id', 'https://slack.com/user_id');

const server = createServer().listen(0, '127.0.0.1', () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  const provider = new Provider(issuer, {
    claims,
    clientAuthMethods: [settings.auth_method],
    clients: [{
      client_id: settings.client_id,
      client_secret: settings.client_secret,
      redirect_uris: [settings.redirect_uri],
      token_endpoint_auth_method: settings.auth_method,
      id_token_signed_response_alg: settings.alg,
    }],
    conformIdTokenClaims: settings.conform,
    cookies: { keys: [randomUUID()] },
    findAccount: (ctx, sub) => settings.accounts[sub] && {
      accountId: sub,
      claims: () => ({ sub, ...settings.accounts[sub] }),
    },
    jwks: { keys: [key('rsa', { modulusLength: 2048 }), key('ec', { namedCurve: 'P-256' }), key('ed25519')] },
    pkce: { required: () => false }, // Slack's own sign-in knows none
  });
  server.on('request', provider.callback());
  listening(issuer);
});
