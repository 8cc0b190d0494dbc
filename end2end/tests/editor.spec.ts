import { expect, open, test } from '../fixtures.ts';
import { onDemand } from '../jobs.ts';

const JOBS = `# Ask marin before you touch this.
sweep:            # nightly
  schedule: '30 2 * * *'
  timezone: Europe/Berlin
  command: echo swept
  targets: 'alpha'

# Only by hand.
${onDemand('other-edit', 'echo other', ['targets: beta'])}`;

test.use({ config: { 'jobs.yaml': JOBS } });

const text = (page: import('@playwright/test').Page) => page.getByTestId('editor-text');

test('a job is edited, checked as one types, previewed, compared and saved', async ({ page, saltpeter }) => {
  await open(page, '/jobs/sweep');
  await page.getByTestId('edit').click();
  await page.waitForURL('**/jobs/sweep/edit');
  await expect(text(page)).toHaveValue(/^sweep: {12}# nightly\n/);
  await expect(page.getByTestId('editor-good')).toBeVisible();
  await expect(page.getByTestId('editor-preview')).toContainText('02:30 daily');
  await expect(page.getByTestId('editor-preview').getByTestId('matched')).toContainText('1 of 3');
  await expect(page.getByTestId('editor-save')).toBeDisabled();

  const before = await text(page).inputValue();
  await text(page).fill(before.replace("'30 2 * * *'", "'30 25 * * *'").replace('command', 'comand'));
  const problems = page.getByTestId('editor-problem');
  await expect(problems.filter({ hasText: '25 is out of range' })).toContainText('3:');
  await expect(problems.filter({ hasText: 'did you mean "command"' })).toHaveAttribute('data-state', 'warning');
  await expect(page.getByTestId('editor-save')).toBeDisabled();
  // The place of a problem is where its button leads.
  await problems.filter({ hasText: '25 is out of range' }).getByRole('button').click();
  await expect(text(page)).toBeFocused();
  const at = await text(page).evaluate((area: HTMLTextAreaElement) => area.value.slice(area.selectionStart, area.selectionStart + 2));
  expect(at).toBe('25');

  await text(page).fill(before.replace('echo swept', 'echo swept well').replace("'alpha'", "'*'"));
  await expect(page.getByTestId('editor-preview').getByTestId('matched')).toContainText('3 of 3');
  await expect(page.getByTestId('editor-diff').locator('.added')).toHaveCount(2);
  await expect(page.getByTestId('editor-diff').locator('.removed')).toHaveCount(2);
  expect(await saltpeter.readConfig('jobs.yaml')).toBe(JOBS);
  await page.getByTestId('editor-save').click();
  await page.waitForURL('**/jobs/sweep');
  await expect(page.getByTestId('command')).toHaveText('echo swept well');
  expect(await saltpeter.readConfig('jobs.yaml')).toBe(
    JOBS.replace('echo swept', 'echo swept well').replace("'alpha'", "'*'"),
  );
});

test('a change on disk meanwhile is a conflict, and one chooses', async ({ page, saltpeter, guard }) => {
  guard.allow(/409 \(Conflict\)/);
  await open(page, '/jobs/sweep/edit');
  await expect(page.getByTestId('editor-good')).toBeVisible();
  const mine = (await text(page).inputValue()).replace('echo swept', 'echo mine');
  await text(page).fill(mine);
  await expect(page.getByTestId('editor-diff')).toContainText('echo mine');
  const theirs = JOBS.replace('echo swept', 'echo theirs').replace('echo other', 'echo theirs too');
  await saltpeter.writeConfig('jobs.yaml', theirs);
  await page.getByTestId('editor-save').click();
  await expect(page.getByTestId('editor-conflict')).toContainText('has changed since');
  expect(await saltpeter.readConfig('jobs.yaml')).toBe(theirs);

  await page.getByTestId('editor-keep').click();
  await expect(page.getByTestId('editor-conflict')).toHaveCount(0);
  await expect(page.getByTestId('editor-diff').locator('.removed')).toContainText('echo theirs');
  await expect(text(page)).toHaveValue(mine);
  await page.getByTestId('editor-save').click();
  await page.waitForURL('**/jobs/sweep');
  expect(await saltpeter.readConfig('jobs.yaml')).toBe(theirs.replace('echo theirs\n', 'echo mine\n'));
});

test('what is not saved is there when one comes back, and the browser asks before the tab goes', async ({ page, saltpeter, guard }) => {
  guard.allow(/409 \(Conflict\)/);
  await open(page, '/jobs/sweep/edit');
  await expect(page.getByTestId('editor-good')).toBeVisible();
  await expect(page.getByTestId('editor-draft')).toHaveCount(0);
  const mine = (await text(page).inputValue()).replace('echo swept', 'echo mine');
  await text(page).fill(mine);
  await page.getByRole('navigation').getByRole('link', { name: 'Runs' }).click();
  await page.waitForURL('**/runs');
  await page.goBack();
  await expect(text(page)).toHaveValue(mine);
  await expect(page.getByTestId('editor-draft')).toBeVisible();
  await expect(page.getByTestId('editor-diff')).toContainText('echo mine');

  const asked = page.waitForEvent('dialog');
  const closing = page.close({ runBeforeUnload: true });
  const dialog = await asked;
  expect(dialog.type()).toBe('beforeunload');
  await dialog.dismiss();
  await closing;

  // A change of the file meanwhile is a conflict, as if one had stayed.
  await page.getByRole('navigation').getByRole('link', { name: 'Runs' }).click();
  await page.waitForURL('**/runs');
  await saltpeter.writeConfig('jobs.yaml', JOBS.replace('echo swept', 'echo theirs'));
  await page.goBack();
  await expect(text(page)).toHaveValue(mine);
  await expect(page.getByTestId('editor-conflict')).toContainText('has changed since');
  await page.getByTestId('editor-discard').click();
  await expect(text(page)).toHaveValue(/echo theirs/);
  await expect(page.getByTestId('editor-conflict')).toHaveCount(0);

  // What was discarded does not come back.
  await page.getByRole('navigation').getByRole('link', { name: 'Runs' }).click();
  await page.waitForURL('**/runs');
  await page.goBack();
  await expect(text(page)).toHaveValue(/echo theirs/);
  await expect(page.getByTestId('editor-draft')).toHaveCount(0);
});

test('a new job is written and an old one deleted', async ({ page, saltpeter }) => {
  await open(page, '/');
  await page.getByTestId('new-job').click();
  await page.waitForURL('**/new-job');
  await expect(page.getByTestId('editor-file')).toHaveValue('jobs.yaml');
  await page.getByTestId('editor-file').fill('fresh.yaml');
  await text(page).fill("fresh-job:\n  schedule: '@daily'\n  command: echo fresh\n  targets: gamma\n");
  await expect(page.getByTestId('editor-preview')).toContainText('1 of 3');
  await page.getByTestId('editor-save').click();
  await page.waitForURL('**/jobs/fresh-job');
  expect(await saltpeter.readConfig('fresh.yaml')).toContain('fresh-job:\n');

  await page.getByTestId('edit').click();
  await page.getByTestId('editor-delete').click();
  await page.getByTestId('confirm-yes').click();
  await page.waitForURL((url) => url.pathname === '/');
  await expect(page.getByTestId('job-row-sweep')).toBeVisible();
  await expect(page.getByTestId('job-row-fresh-job')).toHaveCount(0);
  expect(await saltpeter.readConfig('fresh.yaml')).toBe('');
});

test('a job that is not valid is mended from where its error stands', async ({ page, saltpeter }) => {
  await saltpeter.writeConfig('broken.yaml', "typo-edit:\n  schedule: '0 25 * * *'\n  command: echo x\n  targets: alpha\n");
  await open(page, '/');
  await page.getByTestId('problem-row').getByRole('link', { name: 'Edit' }).click();
  await page.waitForURL('**/jobs/typo-edit/edit');
  await expect(page.getByTestId('editor-problem')).toContainText('25 is out of range');
  await text(page).fill((await text(page).inputValue()).replace('25', '5'));
  await page.getByTestId('editor-save').click();
  await page.waitForURL('**/jobs/typo-edit');
  await expect(page.getByTestId('schedule')).toContainText('05:00');
});

test('where the editor is turned off nothing leads to it', async ({ page, saltpeter, guard }) => {
  guard.allow(/403 \(Forbidden\)/);
  await saltpeter.writeConfig('editor.yaml', 'saltpeter_config: {editor: false}\n');
  await saltpeter.restart();
  await open(page, '/jobs/sweep');
  await expect(page.getByTestId('run-now')).toBeVisible();
  await expect(page.getByTestId('edit')).toHaveCount(0);
  await open(page, '/jobs/sweep/edit');
  await expect(page.getByTestId('failure')).toContainText('editor: false');
});
