import { expect, hydrated, open, test } from '../fixtures.ts';
import { expectRun, onDemand, runNow } from '../jobs.ts';

test.use({
  config: {
    'jobs.yaml': [
      onDemand('list_good', 'echo fine', ['targets: alpha']),
      onDemand('list_bad', 'exit 3', ['targets: beta']),
      onDemand('list_slow', 'sleep 300', ['targets: gamma']),
    ].join('\n'),
  },
});

test('the Runs page lists the runs of all jobs and narrows them by what the address says', async ({ page }) => {
  await open(page, '/runs');
  await expect(page.getByTestId('no-runs')).toContainText('Nothing has run yet.');
  const good = await runNow(page, 'list_good');
  await expectRun(page, 'succeeded');
  const bad = await runNow(page, 'list_bad');
  await expectRun(page, 'failed');

  // From the server as it is, without JavaScript.
  const html = await (await page.request.get('/runs?outcome=failed')).text();
  expect(html).toContain(`data-run="${bad}"`);
  expect(html).not.toContain(`data-run="${good}"`);

  await open(page, '/runs');
  const rows = page.getByTestId('run-row');
  await expect(rows).toHaveCount(2);
  await expect(rows.first()).toHaveAttribute('data-run', bad);

  await page.getByTestId('filter-outcome').selectOption('succeeded');
  await expect(page).toHaveURL(/\/runs\?outcome=succeeded$/);
  await expect(rows).toHaveCount(1);
  await expect(rows.first()).toHaveAttribute('data-run', good);

  await page.evaluate(() => Object.assign(window, { stays: true }));
  await page.getByTestId('filter-machine').fill('beta');
  await page.getByTestId('filter-machine').press('Enter');
  await expect(page).toHaveURL(/machine=beta/);
  await expect(page.getByTestId('no-runs')).toContainText('None of the runs that are kept matches the filter.');
  await page.getByTestId('filter-outcome').selectOption('');
  await expect(rows).toHaveCount(1);
  // Enter has not loaded the page anew.
  expect(await page.evaluate(() => 'stays' in window)).toBe(true);
  await rows.first().getByRole('link').first().click();
  await expect(page).toHaveURL(new RegExp(`/runs/${bad}\\?machine=beta$`));

  await page.goBack();
  await expect(rows).toHaveCount(1);
  await page.getByTestId('runs-clear').click();
  await expect(page).toHaveURL(/\/runs$/);
  await expect(rows).toHaveCount(2);

  await open(page, '/runs?cause=moon');
  await expect(page.getByTestId('runs-problem')).toContainText('"moon" is none of schedule, manual, again, catch_up');
});

test('the list of runs is live', async ({ page, newPage }) => {
  const list = await newPage();
  await open(list, '/runs?job=list_slow');
  await expect(list.getByTestId('no-runs')).toBeVisible();
  const run = await runNow(page, 'list_slow');
  const row = list.getByTestId('run-row');
  await expect(row).toHaveAttribute('data-run', run);
  await expect(row).toHaveAttribute('data-state', 'running');
  await page.request.post(`/api/v1/runs/${run}/kill`, { data: {} });
  await expect(row).toHaveAttribute('data-state', 'killed', { timeout: 20_000 });
});

test('older runs are a page away', async ({ page }) => {
  for (let i = 0; i < 3; i++) {
    await runNow(page, 'list_good');
    await expectRun(page, 'succeeded');
  }
  const first = await (await page.request.get('/api/v1/runs?limit=2')).json();
  expect(first.runs).toHaveLength(2);
  const second = await (await page.request.get(`/api/v1/runs?limit=2&before=${first.older}`)).json();
  expect(second.runs).toHaveLength(1);
  expect(second.older).toBeUndefined();

  await open(page, `/runs?limit=2`);
  await expect(page.getByTestId('run-row')).toHaveCount(2);
  await page.getByTestId('older').click();
  await expect(page.getByTestId('run-row')).toHaveCount(1);
  await expect(page.getByTestId('run-row')).toHaveAttribute('data-run', second.runs[0].id);
  await page.getByTestId('newest').click();
  await expect(page.getByTestId('run-row')).toHaveCount(2);
});

test('the Machines page says of each machine what goes on and how it fares', async ({ page, newPage }) => {
  const run = await runNow(page, 'list_slow');
  await expectRun(page, 'running');
  await runNow(page, 'list_bad');
  await expectRun(page, 'failed');

  await open(page, '/machines');
  const row = (name: string) => page.locator(`[data-testid="machine-row"][data-machine="${name}"]`);
  await expect(page.getByTestId('machine-row')).toHaveCount(3);
  await expect(row('gamma').getByTestId('machine-running')).toContainText(run);
  await expect(row('beta').getByTestId('machine-failures')).toContainText('1 of 1');
  await expect(row('alpha').getByTestId('machine-running')).toHaveText('–');

  await page.request.post(`/api/v1/runs/${run}/kill`, { data: {} });
  await expect(row('gamma').getByTestId('machine-running')).toHaveText('–', { timeout: 20_000 });

  await page.getByTestId('filter-show').selectOption('failing');
  await expect(page).toHaveURL(/show=failing/);
  await expect(row('alpha')).toHaveCount(0);
  await expect(row('beta')).toHaveCount(1);

  await open(page, '/machines');
  await row('alpha').getByTestId('machine-maintenance').click();
  const other = await newPage();
  await open(other, '/maintenance');
  await expect(other.getByTestId('maintenance-machine-alpha')).toBeVisible();
  await row('alpha').getByTestId('machine-maintenance').click();
  await expect(other.getByTestId('maintenance-machine-alpha')).toHaveCount(0);

  await row('beta').getByRole('link', { name: 'Runs' }).click();
  await expect(page).toHaveURL(/\/runs\?machine=beta$/);
  await expect(page.getByTestId('run-row')).toHaveCount(1);
});

test('a page whose code has not come says so, and comes when it is asked for again', async ({ guard, page }) => {
  await open(page, '/');
  guard.allow(/split_machines/, /Failed to fetch/, /ERR_FAILED/);
  await page.route(/split_machines/, (route) => route.abort());
  await page.getByRole('navigation').getByRole('link', { name: 'Machines' }).click();
  await expect(page.getByTestId('not-loaded')).toBeVisible();
  await page.unroute(/split_machines/);
  await page.getByTestId('not-loaded').getByRole('link').click();
  await hydrated(page);
  await expect(page.getByTestId('machines-filter')).toBeVisible();
});

test('the Timeline shows what ran, what is due and now, and is moved and zoomed', async ({ page, saltpeter }) => {
  await saltpeter.writeConfig('often.yaml', "list_often:\n  schedule: '*/10 * * * *'\n  command: echo often\n  targets: alpha\n");
  const run = await runNow(page, 'list_bad');
  await expectRun(page, 'failed');

  // Programs that ask for /timeline get what the earlier implementation answered.
  const html = await (await page.request.get('/timeline?span=3600', { headers: { accept: 'text/html' } })).text();
  expect(html).toContain(`/runs/${run}`);

  await open(page, '/timeline?span=3600');
  const lane = (name: string) => page.locator(`[data-testid="timeline-lane"][data-lane="${name}"]`);
  await expect(lane('list_bad').getByTestId('timeline-bar')).toHaveAttribute('data-outcome', 'failed');
  await expect(lane('list_often').locator('.due').first()).toBeVisible();
  await expect(lane('list_good')).toHaveCount(0);
  const now = await page.getByTestId('timeline-now-line').boundingBox();
  const plot = await lane('list_bad').locator('.track').boundingBox();
  expect(Math.abs((now?.x ?? 0) - ((plot?.x ?? 0) + (plot?.width ?? 0) / 2))).toBeLessThan(4);

  // What is under the pointer stays there while one zooms.
  const bar = lane('list_bad').getByTestId('timeline-bar');
  const before = await bar.boundingBox();
  await page.mouse.move(before?.x ?? 0, before?.y ?? 0);
  await page.keyboard.down('Control');
  await page.mouse.wheel(0, -100);
  await page.keyboard.up('Control');
  await expect(page).toHaveURL(/span=2880/);
  // The address is there before what it asks for.
  await expect.poll(async () => Math.abs(((await bar.boundingBox())?.x ?? 0) - (before?.x ?? 0))).toBeLessThan(6);
  const after = await bar.boundingBox();

  await page.keyboard.press('ArrowRight');
  await expect.poll(async () => (await bar.boundingBox())?.x ?? 0).toBeLessThan((after?.x ?? 0) - 100);
  await page.keyboard.press('0');
  await expect(page).not.toHaveURL(/at=/);

  await page.getByTestId('filter-by').selectOption('machine');
  await expect(lane('beta').getByTestId('timeline-bar').first()).toBeVisible();
  await lane('beta').getByTestId('timeline-bar').first().click();
  await expect(page).toHaveURL(new RegExp(`/runs/${run}\\?machine=beta$`));
});

test('what runs now grows on the Timeline', async ({ page, newPage }) => {
  const shown = await newPage();
  await open(shown, '/timeline?span=3600');
  await expect(shown.getByTestId('timeline')).toBeVisible();
  const run = await runNow(page, 'list_slow');
  const bar = shown.locator('[data-lane="list_slow"] [data-testid="timeline-bar"]');
  await expect(bar).toHaveAttribute('data-outcome', 'running');
  await page.request.post(`/api/v1/runs/${run}/kill`, { data: {} });
  await expect(bar).toHaveAttribute('data-outcome', 'killed', { timeout: 20_000 });
});
