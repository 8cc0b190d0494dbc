import { expect, hydrated, open, test } from '../fixtures.ts';
import { confirm, expectRun, onDemand, runNow } from '../jobs.ts';
import { addOperator, logIn, welcome } from '../people.ts';
import type { Page } from '@playwright/test';

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

/** What the command palette says to queries, first or instead. It is opened once: one that is closing may close what is opened at once. */
async function offers(page: Page, answers: [query: string, answer: string][]): Promise<void> {
  await page.keyboard.press('Control+k');
  for (const [query, answer] of answers) {
    await page.getByTestId('palette-input').fill(query);
    await expect(page.getByTestId('palette').getByText(answer).first()).toBeVisible();
  }
  await page.keyboard.press('Escape');
  await expect(page.getByTestId('palette')).toBeHidden();
}

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

test.describe('for an operator of some groups', () => {
  test.use({
    auth: true,
    config: {
      'db.yaml': onDemand('dump', 'echo worked', ['targets: alpha']),
      'web.yaml': onDemand('rollout', 'echo started; sleep 60', ['targets: alpha']),
      'maintenance.yaml': MAINTENANCE,
    },
  });

  test('the page has what is about these groups, and a run its buttons', async ({ page, saltpeter, newPage, guard }) => {
    guard.allow(/403 \(Forbidden\)/);
    await welcome(page, saltpeter);
    await addOperator(page, 'olga', 'db');
    const others = await runNow(page, 'rollout');
    await expect(page.getByTestId('kill')).toBeVisible();

    const olga = await newPage();
    await olga.goto('/login?next=/maintenance');
    await logIn(olga, 'olga');
    await hydrated(olga);
    for (const hidden of ['maintenance-global', 'maintenance-machine-input']) {
      await expect(olga.getByTestId(hidden)).toBeHidden();
    }
    // A group of others is refused with a sentence, before it is saved.
    await olga.getByTestId('maintenance-group-input').fill('web');
    await olga.getByTestId('maintenance-group-add').click();
    await expect(olga.getByTestId('maintenance-error')).toContainText('this changes maintenance of web');
    await open(olga, '/maintenance');
    await olga.getByTestId('maintenance-group-input').fill('db');
    await olga.getByTestId('maintenance-group-add').click();
    await olga.getByTestId('maintenance-save').click();
    await expect(olga.getByTestId('maintenance-saved')).toBeVisible();
    await expect(olga.getByTestId('maintenance-groups-banner')).toContainText('db');
    await expect(page.getByTestId('maintenance-groups-banner')).toContainText('db');
    await olga.getByTestId('maintenance-group-db').getByRole('button').click();
    await olga.getByTestId('maintenance-save').click();
    await expect(olga.getByTestId('maintenance-groups-banner')).toHaveCount(0);
    expect(await saltpeter.readConfig('maintenance.yaml')).toContain('groups: []');

    // What is under maintenance of others is shown, and is theirs to end.
    await saltpeter.writeConfig('maintenance.yaml', MAINTENANCE.replace('machines: []', 'machines: [beta]\n  groups: [web]'));
    await expect(olga.getByTestId('maintenance-group-web')).toBeVisible();
    await expect(olga.getByTestId('maintenance-group-web').getByRole('button')).toBeHidden();
    await saltpeter.writeConfig('maintenance.yaml', MAINTENANCE.replace('global: false', 'global: true'));
    await expect(olga.getByTestId('maintenance-banner')).toBeVisible();
    await expect(olga.getByTestId('maintenance-off')).toBeHidden();
    // Nor does the palette offer it, or what can be done with jobs of others.
    await offers(page, [['turn off global', 'Turn off global maintenance']]);
    await offers(olga, [
      ['turn off global', 'Nothing goes with that'],
      ['run dump', 'Run now: dump'],
      ['run rollout', 'Nothing goes with that'],
    ]);
    await page.getByTestId('maintenance-off').click();
    await expect(olga.getByTestId('maintenance-banner')).toHaveCount(0);

    // On a run's own page too.
    await open(olga, `/runs/${others}`);
    await expect(olga.getByTestId('run-state')).toHaveAttribute('data-state', 'running');
    await expect(olga.getByTestId('kill')).toBeHidden();
    await expect(olga.getByTestId('kill-machine')).toBeHidden();
    await page.getByTestId('kill').click();
    await confirm(page);
    await expectRun(olga, 'killed');
    await runNow(olga, 'dump');
    await expectRun(olga, 'succeeded');
    await expect(olga.locator('section.run')).toHaveAttribute('data-group', 'db');
  });
});
