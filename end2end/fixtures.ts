import { existsSync } from 'node:fs';
import { test as base, expect, type BrowserContextOptions, type Page } from '@playwright/test';
import { Guard } from './guard.ts';
import { Saltpeter, type Config } from './server.ts';

export { expect };
export { MACHINES, Saltpeter } from './server.ts';

/** What a browser prints about a server that is down for a while; for `guard.allow`. */
export const SERVER_IS_DOWN = [/ERR_CONNECTION_REFUSED/, /ERR_CONNECTION_RESET/, /ERR_EMPTY_RESPONSE/, /WebSocket/];

interface Fixtures {
  /** The config files that the server starts with: `test.use({ config: { 'jobs.yaml': … } })`. */
  config: Config;
  /** Whether people have to log in: `test.use({ auth: true })`. */
  auth: boolean;
  /** A server of the test's own. */
  saltpeter: Saltpeter;
  /** Fails the test on any message of a page that nobody allowed. */
  guard: Guard;
  /** A page of another browser: cookies and storage of its own, watched by the guard. */
  newPage: (options?: BrowserContextOptions) => Promise<Page>;
}

export const test = base.extend<Fixtures>({
  config: [{}, { option: true }],
  auth: [false, { option: true }],

  saltpeter: async ({ config, auth }, use, testInfo) => {
    const log = testInfo.outputPath('server.log');
    try {
      const server = await Saltpeter.start(config, log, auth);
      try {
        await use(server);
      } finally {
        await server.dispose();
      }
    } finally {
      if (existsSync(log)) await testInfo.attach('server.log', { path: log, contentType: 'text/plain' });
    }
  },

  baseURL: async ({ saltpeter }, use) => {
    await use(saltpeter.url);
  },

  guard: async ({}, use) => {
    const guard = new Guard();
    await use(guard);
    expect(guard.found(), 'what pages printed or threw').toEqual([]);
  },

  context: async ({ context, guard }, use) => {
    guard.watch(context);
    await use(context);
  },

  newPage: async ({ browser, guard, baseURL, contextOptions }, use) => {
    const contexts: { close(): Promise<void> }[] = [];
    await use(async (options = {}) => {
      const context = await browser.newContext({ ...contextOptions, baseURL, ...options });
      contexts.push(context);
      guard.watch(context);
      return context.newPage();
    });
    await Promise.all(contexts.map((context) => context.close()));
  },
});

/** Waits until the page is alive: its WASM has taken over what the server rendered. */
export async function hydrated(page: Page): Promise<void> {
  await page.locator('html[data-hydrated="true"]').waitFor({ state: 'attached' });
}

/** Goes to a page and waits until it is alive. */
export async function open(page: Page, path: string): Promise<void> {
  await page.goto(path);
  await hydrated(page);
}
