import { readFile } from 'node:fs/promises';
import { SERVER_IS_DOWN, expect, hydrated, test } from '../fixtures.ts';
import { onDemand } from '../jobs.ts';
import { Provider } from '../provider.ts';

const PASSWORD = 'correct horse battery staple';

test.use({
  auth: true,
  config: {
    'db.yaml': onDemand('entry', 'echo hello', ['targets: alpha']),
    'web.yaml': onDemand('site', 'echo hello', ['targets: alpha']),
  },
});

test('one logs in at the provider, which is another site, and is back where one wanted to go', async ({ page, saltpeter, newPage, guard }) => {
  const provider = await Provider.start();
  try {
    const link = /http:\/\/\S+\/welcome\?code=[0-9a-f]{64}/.exec(await readFile(saltpeter.logFile, 'utf8'));
    await page.goto(link?.[0] ?? '');
    await page.getByLabel('Name').fill('ana');
    await page.getByLabel(/^Password/).fill(PASSWORD);
    await page.getByLabel('The same once more').fill(PASSWORD);
    await page.getByRole('button', { name: 'Make the admin' }).click();
    await hydrated(page);
    // The dashboard is gone for a moment.
    await page.goto('about:blank');
    const roles = '[{group: dba, role: operator, groups: [db]}]';
    await saltpeter.writeConfig(
      'oidc.yaml',
      `saltpeter_config:\n  oidc: {name: Acme, issuer: '${provider.issuer}', client_id: saltpeter, url: '${saltpeter.url}', roles: ${roles}}\n`,
    );
    // What the page asked for on its own account, such as its icon, may be cut off.
    guard.allow(...SERVER_IS_DOWN);
    await saltpeter.restart();

    const mia = await newPage();
    await mia.goto('/jobs/entry');
    await mia.getByRole('link', { name: 'Log in with Acme' }).click();
    await mia.getByRole('button', { name: 'Be mia' }).click();
    await expect(mia).toHaveURL(`${saltpeter.url}/jobs/entry`);
    await hydrated(mia);
    await expect(mia.getByTestId('conn-badge')).toHaveAttribute('data-state', 'live');
    expect((await mia.context().cookies()).map((cookie) => cookie.name)).toEqual(['saltpeter_session']);
    // What she may not use is not shown to her.
    await expect(mia.getByTestId('run-now')).toBeVisible();
    await mia.goto('/jobs/site');
    await hydrated(mia);
    await expect(mia.getByTestId('run-now')).toBeHidden();
    await mia.goto('/');
    await hydrated(mia);
    await expect(mia.getByTestId('job-row-entry').getByTestId('run-now')).toBeVisible();
    await expect(mia.getByTestId('job-row-site').getByTestId('run-now')).toBeHidden();
    await mia.goto('/maintenance');
    await expect(mia.getByTestId('maintenance-global')).toBeHidden();

    await mia.goto('/account');
    await expect(mia.locator('main')).toContainText('operator of db');
    await mia.getByRole('button', { name: 'Log out', exact: true }).click();
    await expect(mia).toHaveURL(`${saltpeter.url}/login`);

    guard.allow(/403 \(Forbidden\)/, /502 \(Bad Gateway\)/);
    provider.claims.groups = ['wiki'];
    await mia.getByTestId('oidc').click();
    await mia.getByRole('button', { name: 'Be mia' }).click();
    await expect(mia.getByTestId('alert')).toContainText('mia is in no group that may come in here');

    provider.stop();
    await mia.goto('/login');
    await saltpeter.restart();
    await mia.getByTestId('oidc').click();
    await expect(mia.getByTestId('alert')).toContainText('does not answer');
    await mia.getByLabel('Name').fill('ana');
    await mia.getByLabel('Password').fill(PASSWORD);
    await mia.getByRole('button', { name: 'Log in', exact: true }).click();
    await hydrated(mia);
  } finally {
    provider.stop();
  }
});
