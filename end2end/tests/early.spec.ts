import type { Page } from '@playwright/test';
import { expect, hydrated, open, test } from '../fixtures.ts';
import { expectRun, onDemand, runNow } from '../jobs.ts';

// What is changed in a page before its code is there, as over a slow line.

test.use({
  config: {
    'good.yaml': onDemand('early_good', 'echo fine', ['targets: alpha']),
    'bad.yaml': onDemand('early_bad', 'exit 3', ['targets: beta']),
  },
});

/** Opens a page whose code is held back; what lets it come, and waits until the page is alive. */
async function openEarly(page: Page, address: string): Promise<() => Promise<void>> {
  let come = () => {};
  const held = new Promise<void>((resolve) => (come = resolve));
  const code = /\/pkg\/.*\.wasm$/;
  await page.route(code, async (route) => {
    await held;
    await route.continue();
  });
  await page.goto(address, { waitUntil: 'commit' });
  await page.locator('form').first().waitFor();
  return async () => {
    await expect(page.locator('html')).not.toHaveAttribute('data-hydrated', 'true');
    come();
    await hydrated(page);
    await page.unroute(code);
  };
}

/** Has a run that succeeded and one that failed; their names. */
async function history(page: Page): Promise<{ good: string; bad: string }> {
  const good = await runNow(page, 'early_good');
  await expectRun(page, 'succeeded');
  const bad = await runNow(page, 'early_bad');
  await expectRun(page, 'failed');
  return { good, bad };
}

test('filters that are changed before the page is alive apply once it is', async ({ page }) => {
  const { good } = await history(page);

  let come = await openEarly(page, '/runs');
  await page.getByTestId('filter-outcome').selectOption('succeeded');
  await page.getByTestId('filter-cause').selectOption('manual');
  await page.getByTestId('filter-job').fill('early_good');
  await come();
  await expect(page).toHaveURL(/\/runs\?/);
  for (const asked of [/outcome=succeeded/, /cause=manual/, /job=early_good/]) await expect(page).toHaveURL(asked);
  await expect(page.getByTestId('run-row')).toHaveCount(1);
  await expect(page.getByTestId('run-row')).toHaveAttribute('data-run', good);
  await expect(page.getByTestId('filter-job')).toHaveValue('early_good');

  come = await openEarly(page, '/machines');
  await page.getByTestId('filter-show').selectOption('failing');
  await come();
  await expect(page).toHaveURL(/show=failing/);
  await expect(page.getByTestId('machine-row')).toHaveCount(1);

  come = await openEarly(page, '/timeline?span=3600');
  await page.getByTestId('filter-by').selectOption('machine');
  await come();
  await expect(page).toHaveURL(/by=machine/);
  await expect(page.locator('[data-testid="timeline-lane"][data-lane="beta"]')).toBeVisible();
  await expect(page.locator('[data-testid="timeline-lane"][data-lane="early_bad"]')).toHaveCount(0);
});

test('so do those of the jobs, and what is typed stays', async ({ page }) => {
  await history(page);
  const row = (name: string) => page.getByTestId(`job-row-${name}`);
  let come = await openEarly(page, '/');
  await page.getByTestId('filter-status').selectOption('failed');
  await page.getByTestId('filter').fill('early');
  await come();
  await expect(page).toHaveURL(/q=early/);
  await expect(page).toHaveURL(/status=failed/);
  await expect(page.getByTestId('filter')).toHaveValue('early');
  await expect(row('early_bad')).toBeVisible();
  await expect(row('early_good')).toHaveCount(0);

  come = await openEarly(page, '/');
  await page.getByTestId('filter-group').selectOption('good');
  await come();
  await expect(row('early_good')).toBeVisible();
  await expect(row('early_bad')).toHaveCount(0);

  come = await openEarly(page, '/?group=good');
  await page.getByTestId('filter-running').check();
  await come();
  await expect(page).toHaveURL(/running=1/);
  await expect(page).toHaveURL(/group=good/);
  await expect(row('early_good')).toHaveCount(0);
});

test('what is typed into an editor before the page is alive is not lost', async ({ page }) => {
  const come = await openEarly(page, '/maintenance');
  await page.getByTestId('maintenance-reason').fill('kernel rollout');
  await come();
  await expect(page.getByTestId('maintenance-reason')).toHaveValue('kernel rollout');
  await expect(page.getByTestId('maintenance-diff')).toContainText('kernel rollout');
});

test('what was not touched is left alone, also where an address is wrong', async ({ page }) => {
  const come = await openEarly(page, '/runs?outcome=moon&machine=alpha');
  await come();
  await expect(page.getByTestId('runs-problem')).toContainText('"moon"');
  await expect(page.getByTestId('filter-outcome')).toHaveValue('');
  await expect(page).toHaveURL(/outcome=moon&machine=alpha$/);
});

test('a menu shows what the address says, whatever was chosen in it before', async ({ page }) => {
  await open(page, '/runs');
  const outcome = page.getByTestId('filter-outcome');
  for (const word of ['failed', '', 'succeeded']) {
    await outcome.selectOption(word);
    await expect(page).toHaveURL(word ? new RegExp(`outcome=${word}$`) : /\/runs$/);
  }
  await page.getByTestId('runs-clear').click();
  await expect(page).toHaveURL(/\/runs$/);
  await expect(outcome).toHaveValue('');
  await page.goBack();
  await expect(outcome).toHaveValue('succeeded');
});
