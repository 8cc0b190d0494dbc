import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { expect, hydrated, test } from '../fixtures.ts';
import { line, onDemand, runNow } from '../jobs.ts';

/** What `cargo xtask site --release` has made; `cargo xtask test` says where. */
const site = process.env['SALTPETER_RELEASE_SITE'] ?? '';

test.skip(site === '', 'SALTPETER_RELEASE_SITE says where the released site is');
test.use({ config: { 'jobs.yaml': onDemand('released', 'echo worked', ['targets: alpha']) } });

test('the released code comes alive on every page', async ({ page }) => {
  // The pages are this server's, the code is the release's: it is compiled and cut in another way than what the other tests run.
  let served = 0;
  await page.route('**/pkg/*', async (route) => {
    const file = path.join(site, 'pkg', path.basename(new URL(route.request().url()).pathname));
    // The page asks for this build's chunks ahead of time; the release's loader asks for its own.
    if (!existsSync(file)) return route.continue();
    served += 1;
    const types: Record<string, string> = { '.wasm': 'application/wasm', '.js': 'text/javascript', '.css': 'text/css' };
    return route.fulfill({ body: await readFile(file), contentType: types[path.extname(file)] ?? 'application/octet-stream' });
  });
  const run = await runNow(page, 'released');
  await expect(line(page, 'worked')).toBeVisible();
  for (const address of [
    '/', `/runs/${run}`, `/runs/${run}?merged=*`, '/runs', '/timeline', '/machines', '/maintenance', '/config', '/new-job', '/jobs/released/edit', '/import',
  ]) {
    await page.goto(address);
    await hydrated(page);
  }
  expect(served, 'files of the release').toBeGreaterThan(10);
});
