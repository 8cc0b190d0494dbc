import type { Page } from '@playwright/test';
import { look } from '../axe.ts';
import { expect, open, test } from '../fixtures.ts';
import { expectRun, onDemand, runNow } from '../jobs.ts';
import { firstLink, makeAdmin } from '../people.ts';

test.use({
  // What was found stands in the message. A trace keeps the page as it is at each step: most of the time would go there.
  trace: 'off',
  config: {
    'web.yaml': [
      onDemand('axe-checks', 'printf "\\033[31mred\\033[0m\\n"; echo warn >&2; [ "$SP_MACHINE_ID" != beta ] || exit 3', ["targets: '*'"]),
      onDemand('axe-long', 'until false; do sleep 1; done', ['targets: alpha', 'timeout: 120']),
    ].join('\n'),
    'db.yaml': 'backup:\n  schedule: "30 2 * * *"\n  timezone: Europe/Ljubljana\n  command: echo backup\n  targets: gamma\n',
    'broken.yaml': 'typo:\n  schedule: "0 25 * * *"\n  command: echo x\n  targets: alpha\n',
    'zz.yaml': 'saltpeter_maintenance:\n  machines: [gamma]\n  reason: kernel\n',
  },
});

/** Shows all that can be unfolded. */
async function unfold(page: Page): Promise<void> {
  await page.evaluate(() => document.querySelectorAll('details').forEach((details) => (details.open = true)));
}

test('axe finds nothing serious on any page, in both themes and sizes', async ({ page, newPage, guard }) => {
  test.setTimeout(240_000);
  // What there is none of, and a filter that there is none of.
  guard.allow(/404/, /400/);
  const run = await runNow(page, 'axe-checks');
  await expectRun(page, 'failed');
  const going = await runNow(page, 'axe-long');
  await expectRun(page, 'running');
  const shown = await newPage({ reducedMotion: 'reduce' });
  // What each page shows once it is complete.
  const pages: [address: string, testid: string][] = [
    ['/', 'job-row-axe-long'],
    ['/?q=nothing-is-called-that', 'job-table'],
    ['/jobs/axe-checks', 'history'],
    ['/jobs/axe-long', 'history'],
    ['/jobs/backup', 'run-now'],
    [`/runs/${run}`, 'output-line'],
    [`/runs/${going}`, 'run-state'],
    [`/runs/${run}?merged=*`, 'run-state'],
    ['/runs', 'run-row'],
    ['/runs?job=backup', 'no-runs'],
    ['/runs?outcome=moon', 'runs-problem'],
    ['/timeline', 'timeline-bar'],
    ['/timeline?by=machine&span=3600', 'timeline-bar'],
    ['/machines', 'machine-row'],
    ['/machines?q=mail', 'no-machines'],
    ['/maintenance', 'conn-badge'],
    ['/config', 'conn-badge'],
    ['/new-job', 'editor-text'],
    ['/jobs/axe-checks/edit', 'editor-preview'],
  ];
  for (const [address, testid] of pages) {
    await open(shown, address);
    await expect(shown.getByTestId('conn-badge')).toHaveAttribute('data-state', 'live');
    await expect(shown.getByTestId(testid).first(), address).toBeVisible();
    await unfold(shown);
    await look(shown, address);
  }

  await open(shown, '/import');
  await shown.getByTestId('import-example').click();
  await expect(shown.getByTestId('import-yaml')).toBeVisible();
  await unfold(shown);
  await look(shown, '/import');

  // What stands over a page.
  await open(shown, '/');
  await shown.keyboard.press('?');
  await expect(shown.getByTestId('help')).toBeVisible();
  await look(shown, 'help');
  await shown.keyboard.press('Escape');
  await shown.keyboard.press('Control+k');
  await shown.getByTestId('palette-input').fill('a');
  await expect(shown.getByTestId('palette-row').filter({ hasText: /^(machine|page)/ }).first()).toBeVisible();
  await look(shown, 'palette');
  await shown.keyboard.press('Escape');

  // Plain pages, and what there is none of.
  for (const address of ['/account', '/audit', '/no-such-page', '/jobs/no-such-job', '/runs/no-such-run_1']) {
    await shown.goto(address);
    await expect(shown.getByRole('heading').first()).toBeVisible();
    await look(shown, address);
  }
});

test.describe('with a login', () => {
  test.use({ auth: true });

  test('axe finds nothing serious on the pages about people', async ({ page, saltpeter, guard }) => {
    guard.allow(/401/);
    await page.goto('/login');
    await look(page, '/login');
    await page.goto(await firstLink(saltpeter));
    await look(page, '/welcome');
    await makeAdmin(page);
    for (const address of ['/account', '/users', '/tokens', '/audit']) {
      await page.goto(address);
      await expect(page.getByRole('heading').first()).toBeVisible();
      await look(page, address);
    }
  });
});

test('who wants less motion gets none', async ({ newPage }) => {
  const page = await newPage({ reducedMotion: 'reduce' });
  await runNow(page, 'axe-long');
  await expectRun(page, 'running');
  const moving = () =>
    page.evaluate(() => document.getAnimations().filter((animation) => animation.playState === 'running').length);
  for (const address of ['/', '/jobs/axe-long']) {
    await open(page, address);
    await expect(page.getByText('running').first()).toBeVisible();
    expect(await moving(), address).toBe(0);
  }
});
