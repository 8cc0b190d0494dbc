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
