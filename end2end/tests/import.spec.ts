import { expect, open, test } from '../fixtures.ts';
import { onDemand } from '../jobs.ts';

const CRONTAB = `MAILTO=ops
30 2 * * * /usr/local/bin/nightly-import.sh --full
@reboot /opt/agent/start
0 6 1 * mon report-import
`;

test('a crontab is pasted, its jobs and what is left out are shown, and the jobs are saved', async ({ page, saltpeter }) => {
  await open(page, '/');
  await page.getByTestId('empty').getByTestId('import-link').click();
  await page.waitForURL('**/import');
  await expect(page.getByTestId('import-empty')).toBeVisible();
  await page.getByTestId('import-text').fill(CRONTAB);
  await expect(page.getByTestId('import-summary')).toContainText('3 jobs; 1 line was not converted.');
  const lines = page.getByTestId('import-line');
  await expect(lines.first()).toHaveAttribute('data-state', 'not converted');
  await expect(lines.first()).toContainText('systemd unit');
  await expect(lines.filter({ hasText: 'report-import' })).toContainText('report-import_dom, report-import_dow');
  await expect(page.getByTestId('import-yaml')).toContainText("schedule: '30 2 * * *'");

  // Which machines has to be said.
  await expect(page.getByTestId('import-save')).toBeDisabled();
  await page.getByTestId('import-targets').fill('al*');
  await page.getByTestId('import-group').fill('night');
  await expect(page.getByTestId('import-yaml')).toContainText("targets: 'al*'");
  await expect(page.getByTestId('import-yaml')).toContainText('Save it as night.yaml');
  const download = page.waitForEvent('download');
  await page.getByTestId('import-download').click();
  expect((await download).suggestedFilename()).toBe('night.yaml');
  await page.getByTestId('import-save').click();
  await page.waitForURL((url) => url.pathname === '/');
  await expect(page.getByTestId('job-row-nightly-import')).toContainText('02:30 daily');
  expect(await saltpeter.readConfig('night.yaml')).toContain('# Not converted: @reboot /opt/agent/start');
});

test('what is wrong beside the crontab is told', async ({ page, guard }) => {
  guard.allow(/422/);
  await open(page, '/import');
  await page.getByTestId('import-example').click();
  await expect(page.getByTestId('import-summary')).toContainText('1 line was not converted');
  await page.getByTestId('import-group').fill('../etc');
  await expect(page.getByTestId('import-error')).toContainText('group');
  await page.getByTestId('import-group').fill('web');
  await page.getByTestId('import-kind').selectOption('system');
  await expect(page.getByTestId('import-lines')).toContainText('is not the name of a user');
  await expect(page.getByTestId('import-user')).toHaveCount(0);
});

test.describe('with jobs of the same names', () => {
  test.use({ config: { 'jobs.yaml': onDemand('nightly-import', 'echo x', ['targets: alpha']) } });

  test('they get other names', async ({ page }) => {
    await open(page, '/config');
    await page.getByTestId('import-link').click();
    await page.getByTestId('import-text').fill(CRONTAB);
    await expect(page.getByTestId('import-lines')).toContainText('there is a job "nightly-import" already');
    await expect(page.getByTestId('import-yaml')).toContainText('nightly-import_2:');
  });
});
