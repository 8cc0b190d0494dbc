import { expect, open, SERVER_IS_DOWN, test } from '../fixtures.ts';
import { confirm, expectRun, line, onDemand, runNow } from '../jobs.ts';

/** Waits for a file that the test makes, so that the test, and no clock, decides when the job goes on. */
const GATED = `
echo "first line"
until [ -e "$GATE" ]; do sleep 0.05; done
echo "second line"
`;

test.use({
  config: {
    'jobs.yaml': [
      onDemand('long', 'i=0; while :; do i=$((i+1)); echo "tick $i"; sleep 0.2; done', ['targets: "alpha,beta"', 'target_type: list']),
      onDemand('slow', 'echo begun; sleep 600', ['targets: alpha', 'timeout: 1']),
      onDemand('broken', 'echo "about to fail"; echo "the reason" >&2; exit 7', ['targets: alpha']),
      onDemand('counting', 'for i in $(seq 200); do echo "line number $i"; sleep 0.03; done', ['targets: alpha']),
      onDemand('looks', "printf '\\033[31mred\\033[0m plain <b>bold</b>\\n'; printf '10%%\\r50%%\\r100%%\\n'", ['targets: alpha']),
    ].join('\n'),
  },
});

test('lines arrive while the job runs', async ({ page, saltpeter }) => {
  const gate = `${saltpeter.dir}/gate`;
  await saltpeter.writeConfig('gate.yaml', onDemand('gate', GATED.trim().replace('$GATE', gate), ['targets: alpha']));
  await open(page, '/');
  await expect(page.getByTestId('job-row-gate')).toBeVisible();
  await runNow(page, 'gate');
  await expect(line(page, 'first line')).toBeVisible();
  await expect(page.getByTestId('run-state')).toHaveAttribute('data-state', 'running');
  await expect(line(page, 'second line')).toHaveCount(0);
  await saltpeter.touch('gate');
  await expect(line(page, 'second line')).toBeVisible();
  await expectRun(page, 'succeeded');
  await expect(page.getByTestId('exit-code')).toHaveText('0');
});

test('one machine is killed, then the rest of the run', async ({ page }) => {
  await runNow(page, 'long');
  await page.getByTestId('machine-beta').click();
  await expect(line(page, 'tick 1').first()).toBeVisible();
  await page.getByTestId('kill-machine').click();
  await confirm(page);
  await expect(page.getByTestId('machine-state')).toHaveAttribute('data-state', 'killed');
  await expect(page.getByTestId('exit-code')).toHaveText('143');
  await expect(page.getByTestId('machine-alpha')).toHaveAttribute('data-state', 'running');

  await page.getByTestId('kill').click();
  await confirm(page);
  await expectRun(page, 'killed');
  await expect(page.getByTestId('machine-alpha')).toHaveAttribute('data-state', 'killed');
});

test('a job is killed from its page', async ({ page }) => {
  await runNow(page, 'long');
  await expect(line(page, 'tick 1').first()).toBeVisible();
  await open(page, '/jobs/long');
  await page.getByTestId('kill').click();
  await confirm(page);
  await expect(page.getByTestId('job-state')).toHaveAttribute('data-state', 'killed');
});

test('a job that takes too long ends with 124', async ({ page }) => {
  await runNow(page, 'slow');
  await expectRun(page, 'timed out');
  await expect(page.getByTestId('exit-code')).toHaveText('124');
  await expect(line(page, 'begun')).toBeVisible();
});

test('a failing job shows its code and its standard error', async ({ page }) => {
  await runNow(page, 'broken');
  await expectRun(page, 'failed');
  await expect(page.getByTestId('exit-code')).toHaveText('7');
  await expect(line(page, 'about to fail')).toBeVisible();
  await expect(line(page, 'the reason')).toHaveClass(/stderr/);
  await open(page, '/');
  await expect(page.getByTestId('job-row-broken')).toHaveAttribute('data-state', 'failed');
});

test('output is text: colours are styles, markup stays letters, progress shows its last state', async ({ page }) => {
  await runNow(page, 'looks');
  await expectRun(page, 'succeeded');
  await expect(line(page, 'plain <b>bold</b>')).toBeVisible();
  await expect(page.getByTestId('output').locator('b')).toHaveCount(0);
  const red = line(page, 'plain').getByText('red', { exact: true });
  await expect(red).toBeVisible();
  expect(await red.evaluate((node) => getComputedStyle(node).color)).not.toBe(
    await line(page, '100%').evaluate((node) => getComputedStyle(node).color),
  );
  await expect(line(page, '100%')).toBeVisible();
  await expect(line(page, '10%').filter({ hasNotText: '100%' })).toHaveCount(0);
});

test('two browsers see the same', async ({ page, newPage }) => {
  const run = await runNow(page, 'long');
  const other = await newPage();
  await open(other, `/runs/${run}`);
  for (const each of [page, other]) await expect(line(each, 'tick 2').first()).toBeVisible();
  await other.getByTestId('kill').click();
  await confirm(other);
  for (const each of [page, other]) {
    await expectRun(each, 'killed');
    await expect(each.getByTestId('exit-code')).toHaveText('143');
  }
});

for (const way of ['restart', 'crash'] as const) {
  test(`a page outlives the server's ${way}, and its output is complete`, async ({ page, saltpeter, guard }) => {
    guard.allow(...SERVER_IS_DOWN);
    const run = await runNow(page, 'counting');
    await expect(line(page, /line number 5$/)).toBeVisible();
    await page.evaluate(() => Object.assign(window, { sameDocument: true }));
    if (way === 'crash') await saltpeter.kill9();
    else await saltpeter.stop();
    await expect(page.getByTestId('conn-badge')).not.toHaveAttribute('data-state', 'live');
    await saltpeter.start();
    await expect(page.getByTestId('conn-badge')).toHaveAttribute('data-state', 'live', { timeout: 20_000 });
    await expectRun(page, 'succeeded', 30_000);
    await expect(line(page, /line number 200$/)).toBeVisible();
    expect(await page.evaluate(() => 'sameDocument' in window), 'the page was not reloaded').toBe(true);
    const raw = await page.request.get(`/api/v1/runs/${run}/machines/alpha/output/raw`);
    const expected = Array.from({ length: 200 }, (_, index) => `line number ${index + 1}\n`).join('');
    expect(await raw.text()).toBe(expected);
  });
}

test('a link to a line opens there', async ({ page }) => {
  const run = await runNow(page, 'counting');
  await expectRun(page, 'succeeded', 30_000);
  await open(page, `/runs/${run}#L40-L42`);
  await expect(line(page, /line number 41$/)).toBeInViewport();
  await expect(page.getByTestId('output').locator('.selected')).toHaveCount(3);
});

test('the output is downloaded as it was written', async ({ page }) => {
  const run = await runNow(page, 'broken');
  await expectRun(page, 'failed');
  const started = page.waitForEvent('download');
  await page.getByTestId('output-download').click();
  const download = await started;
  expect(download.suggestedFilename()).toContain(run);
});
