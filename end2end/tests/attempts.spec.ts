import { expect, open, test } from '../fixtures.ts';
import { expectRun, line, onDemand, runNow } from '../jobs.ts';

/** Fails until the file is there, and says which try it is. */
const FLAKY = `
if [ -e "$FILE" ]; then echo "second try, and well"; else touch "$FILE"; echo "first try, and not"; exit 3; fi
`;

test('an earlier attempt is a link away, with its own output', async ({ page, saltpeter }) => {
  const file = `${saltpeter.dir}/tried`;
  const more = ['targets: alpha', 'retries: 2', 'retry_delay: 1'];
  await saltpeter.writeConfig('flaky.yaml', onDemand('flaky', FLAKY.replaceAll('$FILE', file), more));
  await open(page, '/');
  await expect(page.getByTestId('job-row-flaky')).toBeVisible();
  await runNow(page, 'flaky');
  await expectRun(page, 'succeeded');
  await expect(page.getByTestId('attempt')).toHaveText('attempt 2 of 3');
  await expect(page.getByTestId('attempt-1')).toHaveAttribute('data-state', 'failed');
  await expect(page.getByTestId('attempts')).toContainText('exit code 3');
  await expect(page.getByTestId('attempt-2')).toHaveAttribute('aria-current', 'true');
  await expect(line(page, 'second try, and well')).toBeVisible();
  await expect(line(page, 'first try')).toHaveCount(0);

  await page.getByTestId('attempt-1').click();
  await expect(line(page, 'first try, and not')).toBeVisible();
  await expect(line(page, 'second try')).toHaveCount(0);
  await expect(page.getByTestId('attempt-1')).toHaveAttribute('aria-current', 'true');
  await expect(page.getByTestId('output-download')).toHaveAttribute('href', /\?attempt=1$/);
  await page.screenshot({ path: test.info().outputPath('attempts.png'), fullPage: true });

  // The address shows the same to somebody else.
  await page.reload();
  await expect(line(page, 'first try, and not')).toBeVisible();
});

test('a machine that waits for its next attempt says so, and shows the failed one', async ({ page, saltpeter }) => {
  const more = ['targets: alpha', 'retries: 1', 'retry_delay: 600'];
  await saltpeter.writeConfig('waits.yaml', onDemand('waits', 'echo "no luck"; exit 3', more));
  await open(page, '/');
  await expect(page.getByTestId('job-row-waits')).toBeVisible();
  await runNow(page, 'waits');
  await expect(page.getByTestId('machine-state')).toHaveAttribute('data-state', 'waiting to retry');
  await expectRun(page, 'running');
  await expect(page.getByTestId('run-counts')).toContainText('waiting to retry');
  await expect(page.getByTestId('next-attempt')).toContainText('next attempt');
  await expect(page.getByTestId('attempt')).toHaveText('attempt 1 of 2');
  await expect(line(page, 'no luck')).toBeVisible();
  await page.screenshot({ path: test.info().outputPath('waits.png'), fullPage: true });
});

test('a rolling run that stopped says so, and is run again on the rest', async ({ page, saltpeter }) => {
  const mended = `${saltpeter.dir}/mended`;
  const command = `[ -e "${mended}" ] || { echo "not yet"; exit 3; }; echo "well"`;
  const more = ["targets: '*'", 'batch_size: 1', 'max_failures: 1'];
  await saltpeter.writeConfig('rolls.yaml', onDemand('rolls', command, more));
  await open(page, '/');
  await expect(page.getByTestId('job-row-rolls')).toBeVisible();
  await runNow(page, 'rolls');
  await expectRun(page, 'failed');
  await expect(page.getByTestId('run-stopped')).toHaveText('stopped after 1 failure');
  await expect(page.getByTestId('machine-alpha')).toHaveAttribute('data-state', 'failed');
  await expect(page.getByTestId('machine-beta')).toHaveAttribute('data-state', 'not attempted');
  await expect(page.getByTestId('machine-gamma')).toHaveAttribute('data-state', 'not attempted');
  await page.screenshot({ path: test.info().outputPath('rolls.png'), fullPage: true });

  await saltpeter.touch('mended');
  await page.getByTestId('run-again').click();
  await page.getByTestId('toast').locator('a[href^="/runs/rolls_"]').click();
  await expectRun(page, 'succeeded');
  await expect(page.getByTestId('run-counts')).toHaveText('3 machines: all succeeded');
});
