import { SERVER_IS_DOWN, expect, hydrated, open, test } from '../fixtures.ts';

const NIGHTLY = `
nightly:
  min: 0
  hour: 2
  dom: '*'
  mon: '*'
  dow: '*'
  command: echo good night
  targets: alpha
`;

test.use({ config: { 'jobs.yaml': NIGHTLY } });

test('the first page is rendered by the server and comes alive', async ({ guard, page, saltpeter }) => {
  const answer = await page.request.get('/');
  expect(answer.status()).toBe(200);
  expect(await answer.text()).toContain('nightly');

  await open(page, '/');
  await expect(page).toHaveTitle(/Saltpeter/);
  await expect(page.getByText('nightly', { exact: true }).first()).toBeVisible();

  // The page may look for the server while there is none.
  guard.allow(...SERVER_IS_DOWN);
  await saltpeter.restart();
  await page.reload();
  await hydrated(page);
});

test('a page that is a chunk of the code is loaded with it, and comes alive like the others', async ({ page, request }) => {
  for (const [address, chunk] of [['/config', 'config'], ['/maintenance', 'maintenance']] as const) {
    // Programs that ask for /config get what the earlier implementation answered.
    const html = await (await request.get(address, { headers: { accept: 'text/html' } })).text();
    const [, href] = html.match(new RegExp(`rel="preload" href="(/pkg/split_${chunk}\\.[0-9a-f]+\\.wasm)"`)) ?? [];
    expect(href, `${address} says what it needs`).toBeTruthy();
    expect((await request.get(href ?? '')).headers()['content-type']).toBe('application/wasm');
  }
  const asked: string[] = [];
  page.on('request', (one) => asked.push(new URL(one.url()).pathname));
  await open(page, '/');
  expect(asked.filter((path) => path.includes('split_'))).toEqual([]);
  await page.getByRole('navigation').getByRole('link', { name: 'Config' }).click();
  await expect(page.getByTestId('config-files')).toBeVisible();
  expect(asked.filter((path) => path.includes('split_config'))).toHaveLength(1);
});

test('static files are revalidated rather than sent again', async ({ request }) => {
  for (const [file, type] of [
    ['/pkg/saltpeter.js', 'text/javascript; charset=utf-8'],
    ['/pkg/saltpeter.wasm', 'application/wasm'],
    ['/pkg/saltpeter.css', 'text/css; charset=utf-8'],
    ['/favicon.svg', 'image/svg+xml'],
  ] as const) {
    const first = await request.get(file);
    expect(first.status(), file).toBe(200);
    expect(first.headers()['content-type']).toBe(type);
    expect(first.headers()['cache-control']).toBe('no-cache');
    const etag = first.headers()['etag'] ?? '';
    const second = await request.get(file, { headers: { 'If-None-Match': etag } });
    expect(second.status(), file).toBe(304);
  }
});
