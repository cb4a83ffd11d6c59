// A real OpenID provider on a loopback address. It prints its issuer once it listens.
import { createServer } from 'node:http';
import { Provider } from 'oidc-provider';

const app = process.env.APP; // the origin of the application
const server = createServer();
server.listen(0, '127.0.0.1', () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  const provider = new Provider(issuer, {
    clients: [{
      client_id: 'app', client_secret: 'secret-of-the-app', redirect_uris: [`${app}/auth/callback`], post_logout_redirect_uris: [`${app}/`],
      grant_types: ['authorization_code', 'refresh_token'], backchannel_logout_uri: `${app}/backchannel`,
    }],
    cookies: { keys: ['a-key-for-cookies'] },
    pkce: { required: () => true, methods: ['S256'] },
    issueRefreshToken: () => true,
    rotateRefreshToken: true,
    features: {
      devInteractions: { enabled: true },
      pushedAuthorizationRequests: { enabled: true },
      rpInitiatedLogout: { enabled: true },
      backchannelLogout: { enabled: true },
    },
    findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id, name: 'Ana' }) }),
  });
  provider.on('server_error', (_, err) => console.error(err));
  server.on('request', provider.callback());
  console.log(issuer);
});
