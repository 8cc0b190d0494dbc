import { createHash, generateKeyPairSync, randomUUID, sign } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A provider of OpenID Connect on localhost, which for a browser is another site than 127.0.0.1. */
export class Provider {
  /** What it says of whoever logs in. */
  claims: Record<string, unknown> = { sub: 'u-1', preferred_username: 'mia', groups: ['dba'] };
  private readonly keys = generateKeyPairSync('rsa', { modulusLength: 2048 });
  private readonly codes = new Map<string, URLSearchParams>();

  private constructor(
    private readonly server: Server,
    readonly issuer: string,
  ) {}

  static async start(): Promise<Provider> {
    const server = createServer();
    await new Promise<void>((listening) => server.listen(0, 'localhost', listening));
    const provider = new Provider(server, `http://localhost:${(server.address() as AddressInfo).port}`);
    server.on('request', (request, response) => void provider.answer(request, response));
    return provider;
  }

  stop(): void {
    this.server.close();
    this.server.closeAllConnections();
  }

  private async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', this.issuer);
    const json = (body: unknown) => response.setHeader('content-type', 'application/json').end(JSON.stringify(body));
    switch (url.pathname) {
      // Browsers ask for it by themselves.
      case '/favicon.ico':
        return void response.writeHead(204).end();
      case '/.well-known/openid-configuration':
        return void json({
          issuer: this.issuer,
          authorization_endpoint: `${this.issuer}/authorize`,
          token_endpoint: `${this.issuer}/token`,
          jwks_uri: `${this.issuer}/keys`,
        });
      case '/keys':
        return void json({ keys: [{ ...this.keys.publicKey.export({ format: 'jwk' }), kid: 'k', use: 'sig' }] });
      case '/authorize':
        response.setHeader('content-type', 'text/html');
        return void response.end(`<title>Acme</title><form action="/allow">${[...url.searchParams]
          .map(([name, value]) => `<input type="hidden" name="${name}" value="${value}">`)
          .join('')}<button>Be mia</button></form>`);
      case '/allow': {
        const code = randomUUID();
        this.codes.set(code, url.searchParams);
        const back = new URL(url.searchParams.get('redirect_uri') ?? '');
        back.searchParams.set('code', code);
        back.searchParams.set('state', url.searchParams.get('state') ?? '');
        return void response.writeHead(302, { location: back.href }).end();
      }
      case '/token': {
        const chunks: Buffer[] = [];
        for await (const chunk of request) chunks.push(chunk as Buffer);
        const form = new URLSearchParams(Buffer.concat(chunks).toString());
        const asked = this.codes.get(form.get('code') ?? '');
        this.codes.delete(form.get('code') ?? '');
        const challenge = createHash('sha256').update(form.get('code_verifier') ?? '').digest('base64url');
        if (asked?.get('code_challenge') !== challenge) {
          response.statusCode = 400;
          return void json({ error: 'invalid_grant' });
        }
        return void json({ token_type: 'Bearer', access_token: 'x', id_token: this.token(asked.get('nonce')) });
      }
      default:
        response.statusCode = 404;
        return void response.end();
    }
  }

  private token(nonce: string | null): string {
    const now = Math.floor(Date.now() / 1000);
    const claims = { iss: this.issuer, aud: 'saltpeter', iat: now, exp: now + 60, nonce, ...this.claims };
    const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
    const message = `${part({ alg: 'RS256', kid: 'k' })}.${part(claims)}`;
    return `${message}.${sign('sha256', Buffer.from(message), this.keys.privateKey).toString('base64url')}`;
  }
}
