import { expect, open, test } from '../fixtures.ts';
import { expectRun, onDemand, runNow } from '../jobs.ts';

// What takes no millisecond is among no slowest machines.
const SLOW = 'if [ "$SP_MACHINE_ID" = beta ]; then sleep 0.6; else sleep 0.1; fi; echo done';

test.use({
  config: {
    'jobs.yaml': onDemand('report', SLOW, ["targets: '*'", 'env: {PASSWORD: hunter2}']),
    'clock.yaml':
      'spring:\n  schedule: "30 2 29 3 *"\n  timezone: Europe/Ljubljana\n  command: echo x\n  targets: "a*"\n' +
      'often:\n  schedule: "@hourly"\n  command: echo x\n  targets: "*"\n  number_of_targets: 1\n',
    'down.yaml': 'saltpeter_maintenance:\n  machines: [gamma]\n',
  },
});

test('a job tells how long it takes, how often it goes well, and where it is slow', async ({ page }) => {
  await runNow(page, 'report');
  await expectRun(page, 'succeeded');
  await open(page, '/jobs/report');
  const chart = page.getByTestId('chart');
  await expect(chart).toContainText(/p50 .*s.*p95 .*s.*longest .*s/);
  await expect(chart).toContainText('the newest 1 run: 1 succeeded');
  await expect(chart.locator('rect.bar')).toHaveCount(1);
  // The chart is a picture of the table, which is read in its place.
  await expect(page.getByTestId('history').getByRole('row')).toHaveCount(2);

  const rates = page.getByTestId('rate');
  await expect(rates).toHaveCount(2);
  await expect(rates.first()).toContainText('7 days');
  await expect(rates.first()).toContainText('100 %');
  await expect(rates.last()).toContainText('1 of 1 run succeeded');
  const slowest = page.getByTestId('slow-machine');
  await expect(slowest).toHaveCount(2);
  await expect(slowest.first()).toContainText('beta');
  await expect(slowest.first()).toContainText('0 of 1');
  await expect(page.getByTestId('since-success')).toHaveCount(0);
});

test('a failure says what has changed since the last success, and no secret', async ({ page, saltpeter }) => {
  const good = await runNow(page, 'report');
  await expectRun(page, 'succeeded');
  await saltpeter.writeConfig('jobs.yaml', onDemand('report', 'echo worse; exit 3', ['targets: alpha', 'env: {PASSWORD: hunter3}']));
  await open(page, '/jobs/report');
  await expect(page.getByTestId('command')).toContainText('exit 3');
  const bad = await runNow(page, 'report');
  await expectRun(page, 'failed');

  await open(page, '/jobs/report');
  const since = page.getByTestId('since-success');
  await expect(since.getByRole('link', { name: good })).toBeVisible();
  await expect(since.getByRole('link', { name: bad })).toBeVisible();
  await expect(since.getByTestId('config-change')).toHaveText(['command', 'env.PASSWORD has another value', 'targets']);
  await expect(since).toContainText('then: ');
  await expect(since).toContainText('exit 3');
  await expect(page.getByTestId('rate').first()).toContainText('50 %');
  expect(await page.content()).not.toContain('hunter');

  // It is live: once it goes well again, there is nothing to explain.
  await saltpeter.writeConfig('jobs.yaml', onDemand('report', 'echo well', ['targets: alpha']));
  await expect(page.getByTestId('command')).toContainText('echo well');
  await page.getByTestId('run-now').first().click();
  await expect(page.getByTestId('rate').first()).toContainText('66.6 %');
  await expect(since).toHaveCount(0);
});

test('a job shows its next times with the changes of the clocks, and each machine with its reason', async ({ page }) => {
  await open(page, '/jobs/spring');
  const times = page.getByTestId('upcoming').getByRole('listitem');
  await expect(times).toHaveCount(20);
  // Some of the next twenty 29ths of March are Sundays on which the clocks go forward.
  await expect(times.filter({ hasText: 'DST' }).first()).toContainText('moved to the first moment after the gap');
  const target = (name: string) => page.locator('.targets').getByRole('listitem').filter({ hasText: name });
  await expect(target('alpha')).toContainText('matches');
  await expect(target('beta')).toContainText('its name does not match a*');
  await open(page, '/jobs/often');
  await expect(target('gamma')).toContainText('under maintenance');
  await expect(page.getByTestId('matched')).toHaveText('2 of 3 machines can take part. A run takes 1 of them, chosen at random.');
});
