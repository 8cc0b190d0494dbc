import { expect, open, test } from '../fixtures.ts';
import { expectRun, onDemand, runNow } from '../jobs.ts';

const MAINTENANCE = `# Who is on call: see the wiki.
saltpeter_maintenance:
  global: false  # do not forget to turn it off
  machines: []
`;

test.use({
  config: {
    'jobs.yaml': onDemand('careful', 'echo worked', ["targets: '*'"]),
    'maintenance.yaml': MAINTENANCE,
  },
});

test('global maintenance is turned on and off from the editor', async ({ page, saltpeter, guard }) => {
  // The browser prints the refusal that this test provokes.
  guard.allow(/409 \(Conflict\)/);
  await open(page, '/maintenance');
  await page.getByTestId('maintenance-global').check();
  await page.getByTestId('maintenance-reason').fill('kernel rollout');
  await expect(page.getByTestId('maintenance-diff')).toContainText('global: true');
  await page.getByTestId('maintenance-save').click();
  await expect(page.getByTestId('maintenance-saved')).toBeVisible();
  await expect(page.getByTestId('maintenance-banner')).toContainText('kernel rollout');
  const written = await saltpeter.readConfig('maintenance.yaml');
  expect(written).toContain('# Who is on call: see the wiki.');
  expect(written).toContain('global: true  # do not forget to turn it off');

  await open(page, '/jobs/careful');
  await page.getByTestId('run-now').first().click();
  await expect(page.getByTestId('toast')).toContainText('maintenance');

  await page.getByTestId('maintenance-off').click();
  await expect(page.getByTestId('maintenance-banner')).toHaveCount(0);
  await runNow(page, 'careful');
  await expectRun(page, 'succeeded');
});

test('a machine under maintenance is left out', async ({ page }) => {
  await open(page, '/maintenance');
  await page.getByTestId('maintenance-machine-input').fill('beta');
  await page.getByTestId('maintenance-machine-add').click();
  await page.getByTestId('maintenance-save').click();
  await expect(page.getByTestId('maintenance-saved')).toBeVisible();
  await runNow(page, 'careful');
  await expectRun(page, 'succeeded');
  await expect(page.getByTestId('machine-beta')).toHaveAttribute('data-state', 'under maintenance');
  await expect(page.getByTestId('machine-alpha')).toHaveAttribute('data-state', 'succeeded');
});

test('an edit made on disk meanwhile is shown, not overwritten', async ({ page, saltpeter, guard }) => {
  guard.allow(/409 \(Conflict\)/);
  await open(page, '/maintenance');
  const edited = MAINTENANCE.replace('machines: []', 'machines: [gamma]');
  // An edit of one's own first: without one, the page would simply show the file's new state.
  await page.getByTestId('maintenance-global').check();
  await saltpeter.writeConfig('maintenance.yaml', edited);
  await page.getByTestId('maintenance-save').click();
  await expect(page.getByTestId('maintenance-conflict')).toBeVisible();
  expect(await saltpeter.readConfig('maintenance.yaml')).toBe(edited);
});

test('a machine name that cannot be is refused beside its field', async ({ page }) => {
  await open(page, '/maintenance');
  await page.getByTestId('maintenance-machine-input').fill('not a machine');
  await page.getByTestId('maintenance-machine-add').click();
  await expect(page.getByTestId('problem-machines')).toBeVisible();
});

test('a group under maintenance is said on every page, and its jobs do not start', async ({ page, saltpeter, guard }) => {
  guard.allow(/409 \(Conflict\)/);
  await open(page, '/maintenance');
  await page.getByTestId('maintenance-group-input').fill('jobs');
  await page.getByTestId('maintenance-group-add').click();
  await page.getByTestId('maintenance-until').fill('2035-06-01T12:30');
  await expect(page.getByTestId('maintenance-diff')).toContainText('groups: [jobs]');
  await page.getByTestId('maintenance-save').click();
  await expect(page.getByTestId('maintenance-saved')).toBeVisible();
  const written = await saltpeter.readConfig('maintenance.yaml');
  expect(written).toContain('global: false  # do not forget to turn it off');
  expect(written).toContain('until: "2035-06-01T12:30:00Z"');

  await open(page, '/jobs/careful');
  await expect(page.getByTestId('maintenance-groups-banner')).toContainText('The group jobs is under maintenance');
  await page.getByTestId('run-now').click();
  await expect(page.getByTestId('toast')).toContainText('the group jobs is under maintenance');

  await open(page, '/maintenance');
  await expect(page.getByTestId('maintenance-until')).toHaveValue('2035-06-01T12:30');
  await page.getByTestId('maintenance-group-jobs').getByRole('button').click();
  await page.getByTestId('maintenance-save').click();
  await expect(page.getByTestId('maintenance-groups-banner')).toHaveCount(0);
});
