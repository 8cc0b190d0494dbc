import { expect, open, test } from '../fixtures.ts';
import { expectRun, onDemand, runNow } from '../jobs.ts';

test.use({ config: { 'jobs.yaml': onDemand('steady', 'echo steady', ['targets: alpha']) } });

test('a changed file shows up by itself', async ({ page, saltpeter }) => {
  await open(page, '/');
  await expect(page.getByTestId('job-row-steady')).toBeVisible();
  await saltpeter.writeConfig('more.yaml', onDemand('newcomer', 'echo new', ['targets: beta']));
  await expect(page.getByTestId('job-row-newcomer')).toBeVisible({ timeout: 2_000 });
  await saltpeter.removeConfig('more.yaml');
  await expect(page.getByTestId('job-row-newcomer')).toHaveCount(0, { timeout: 2_000 });
});

test('a broken file shows its error with the line, and the last good version stays in force', async ({ page, saltpeter }) => {
  await open(page, '/');
  await saltpeter.writeConfig('jobs.yaml', 'steady:\n  min: 0\n  hour: 25\n  dom: "*"\n  mon: "*"\n  dow: "*"\n  command: echo x\n  targets: alpha\n');
  const problem = page.getByTestId('problem-row').filter({ hasText: 'jobs.yaml:3:' });
  await expect(problem).toContainText('hour');
  await expect(page.getByTestId('job-row-steady')).toBeVisible();
  await open(page, '/config');
  await expect(page.getByTestId('problem-row').filter({ hasText: 'jobs.yaml:3:' })).toBeVisible();
  await runNow(page, 'steady');
  await expectRun(page, 'succeeded');

  await saltpeter.writeConfig('jobs.yaml', onDemand('steady', 'echo steady', ['targets: alpha']));
  await expect(page.getByTestId('problem-row')).toHaveCount(0);
});

test('the Config page names files, settings and what needs a restart', async ({ page, saltpeter }) => {
  await open(page, '/config');
  await expect(page.getByTestId('config-file').filter({ hasText: 'jobs.yaml' })).toBeVisible();
  await expect(page.getByTestId('setting-row').filter({ hasText: 'local_machines' })).toContainText('alpha');
  await saltpeter.writeConfig('zz.yaml', 'saltpeter_config:\n  machines_ws_port: 18889\n  executor: auto\n');
  await expect(page.getByTestId('needs-restart').first()).toBeVisible();
});
