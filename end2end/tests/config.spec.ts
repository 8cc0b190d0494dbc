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

test('the Config page tells where each setting comes from, and what of each file is in force', async ({ page, saltpeter }) => {
  await saltpeter.writeConfig('secret.yaml', 'saltpeter_config:\n  elasticsearch: http://user:hunter2@127.0.0.1:1\n');
  await saltpeter.restart();
  await open(page, '/config');
  const setting = (key: string) => page.getByTestId('setting-row').filter({ has: page.getByText(key, { exact: true }) });
  await expect(setting('local_machines')).toContainText('saltpeter.yaml:3');
  await expect(setting('machines_ws_port')).toContainText('flag');
  await expect(setting('elasticsearch')).toContainText('secret.yaml:2');
  await expect(setting('elasticsearch')).toContainText('http://user:••••••@127.0.0.1:1');
  expect(await page.content()).not.toContain('hunter2');
  await expect(setting('debug')).toBeHidden();
  await page.getByText('Defaults that nothing changes').click();
  await expect(setting('debug')).toContainText('default');
  await expect(page.getByTestId('pending')).toHaveCount(0);

  await saltpeter.writeConfig('zz.yaml', 'saltpeter_config:\n  executor: auto\n');
  await expect(page.getByTestId('pending')).toContainText('1 setting waits in the files until the next start.');
  await expect(setting('executor')).toContainText('the files say auto');
  await saltpeter.writeConfig('broken.yaml', 'a: [\n');
  const file = page.getByTestId('config-file').filter({ hasText: 'broken.yaml' });
  await expect(file).toContainText('cannot be read; nothing of it is in force');
  await expect(file).toContainText('1 error');
  await expect(page.getByTestId('problem-row').filter({ hasText: 'broken.yaml:1:4' })).toContainText('unclosed bracket');
});
