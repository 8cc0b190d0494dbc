import path from 'node:path';
import { expect, hydrated, open, test } from '../fixtures.ts';
import { expectRun, onDemand, runNow } from '../jobs.ts';

test.use({
  config: {
    'web.yaml': [
      onDemand('deploy', 'for i in 1 2 3; do printf "\\033[32mstep\\033[0m $i\\n"; done; echo "a warning" >&2', ["targets: '*'"]),
      onDemand('checks', 'echo checking; [ "$SP_MACHINE_ID" != beta ] || exit 3', ["targets: '*'"]),
    ].join('\n'),
    'db.yaml': 'backup:\n  min: 0\n  hour: 2\n  dom: "*"\n  mon: "*"\n  dow: "*"\n  command: echo backup\n  targets: gamma\n',
    'broken.yaml': 'typo:\n  schedule: "0 25 * * *"\n  command: echo x\n  targets: alpha\n',
  },
});

/** Makes some history, and names the run that the pages show. */
async function history(page: import('@playwright/test').Page): Promise<string> {
  await runNow(page, 'deploy');
  await expectRun(page, 'succeeded');
  const run = await runNow(page, 'checks');
  await expectRun(page, 'failed');
  return run;
}

const pages = (run: string) => ({
  jobs: '/',
  job: '/jobs/checks',
  run: `/runs/${run}`,
  runs: '/runs',
  timeline: '/timeline',
  machines: '/machines',
  maintenance: '/maintenance',
  config: '/config',
  editor: '/jobs/checks/edit',
  import: '/import',
});

test('every page reads without JavaScript', async ({ page, newPage }) => {
  const run = await history(page);
  const plain = await newPage({ javaScriptEnabled: false });
  const shows: Record<keyof ReturnType<typeof pages>, RegExp[]> = {
    jobs: [/deploy/, /backup/, /02:00 daily/, /broken\.yaml:2/],
    job: [/echo checking/, /alpha/, /gamma/, new RegExp(run)],
    run: [/failed/, /beta/, /checking/],
    runs: [/checks_/, /deploy_/, /did not succeed/, /by schedule/],
    timeline: [/checks/, /deploy/, /24 h/],
    machines: [/alpha/, /1 of 2/, /with failures/],
    maintenance: [/Global/i, /Save/],
    config: [/web\.yaml/, /broken\.yaml/, /executor/],
    editor: [/Edit checks/],
    import: [/Import a crontab/, /crontab -l/],
  };
  for (const [name, address] of Object.entries(pages(run))) {
    await plain.goto(address);
    for (const text of shows[name as keyof typeof shows]) {
      await expect(plain.locator('body'), `${name} without JavaScript`).toContainText(text);
    }
  }
  await plain.goto('/jobs/backup');
  await expect(plain.getByRole('listitem').filter({ hasText: 'alpha' })).toContainText('its name does not match gamma');
});

test('what the server renders is what the browser renders', async ({ page }) => {
  const run = await history(page);
  // Times and what follows from them may differ; the kinds and the words of what stands there may not.
  const skeleton = () =>
    page.evaluate(() =>
      [...document.querySelectorAll('main *')]
        .filter((node) => !node.closest('time, .time, [data-testid=output], svg, datalist'))
        .map((node) => node.tagName + (node.getAttribute('data-testid') ?? ''))
        .join(' '),
    );
  for (const [name, address] of Object.entries(pages(run))) {
    // A job's text is no part of what the server renders.
    if (name === 'editor') continue;
    await open(page, address);
    await expect(page.getByTestId('conn-badge')).toHaveAttribute('data-state', 'live');
    const rendered = await skeleton();
    const elsewhere = address === '/config' ? '/maintenance' : '/config';
    await page.locator(`nav a[href="${elsewhere}"]`).click();
    await page.waitForURL(`**${elsewhere}`);
    await page.goBack();
    await page.waitForURL(`**${address}`);
    await expect.poll(skeleton, { message: `${name} after going away and back` }).toBe(rendered);
  }
});

test('keys lead through the dashboard', async ({ page }) => {
  await open(page, '/');
  await page.keyboard.press('/');
  await expect(page.getByTestId('filter')).toBeFocused();
  await page.keyboard.type('back');
  await expect(page.getByTestId('job-row-deploy')).toHaveCount(0);
  await expect(page.getByTestId('job-row-backup')).toBeVisible();
  await expect(page).toHaveURL(/back/);
  await page.keyboard.press('Escape');
  await page.locator('body').click({ position: { x: 5, y: 300 } });
  await page.keyboard.press('g');
  await page.keyboard.press('c');
  await page.waitForURL('**/config');
  await page.keyboard.press('?');
  await expect(page.getByTestId('help')).toBeVisible();
});

test('an unknown page, job and run say so', async ({ page, guard }) => {
  guard.allow(/404 \(Not Found\)/);
  for (const address of ['/nowhere', '/jobs/nobody', '/runs/nobody_1']) {
    const answer = await page.goto(address);
    await hydrated(page);
    expect(answer?.status(), address).toBe(404);
    await expect(page.locator('main')).toContainText(/no |not /i);
  }
});

for (const theme of ['dark', 'light'] as const) {
  for (const [width, size] of [['wide', { width: 1440, height: 900 }], ['phone', { width: 390, height: 844 }]] as const) {
    test(`screenshots, ${theme}, ${width}`, async ({ page, newPage }) => {
      const run = await history(page);
      const shown = await newPage({ colorScheme: theme, viewport: size });
      for (const [name, address] of Object.entries(pages(run))) {
        await open(shown, address);
        await expect(shown.getByTestId('conn-badge')).toHaveAttribute('data-state', 'live');
        const fits = await shown.evaluate(() => document.documentElement.scrollWidth <= window.innerWidth);
        expect(fits, `${name} does not scroll sideways`).toBe(true);
        const file = path.join(import.meta.dirname, '../screenshots', `${name}-${theme}-${width}.png`);
        await shown.screenshot({ path: file });
      }
    });
  }
}
