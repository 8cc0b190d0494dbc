import { expect, open, test } from '../fixtures.ts';
import { onDemand } from '../jobs.ts';

test.use({
  config: {
    'jobs.yaml': [
      onDemand('palette-backup', 'echo backed up', ['targets: alpha']),
      onDemand('palette-backup-db', 'echo x', ['targets: beta']),
      onDemand('sweep-palette', 'echo y', ['targets: gamma']),
    ].join('\n'),
  },
});

const rows = (page: import('@playwright/test').Page) => page.getByTestId('palette-row');

test('jobs and pages are a few letters away, by the keyboard alone', async ({ page }) => {
  await open(page, '/');
  await expect(page.getByTestId('job-row-sweep-palette')).toBeVisible();
  await page.keyboard.press('Control+k');
  const input = page.getByRole('combobox', { name: 'Go to, or do' });
  await expect(input).toBeFocused();
  await page.keyboard.type('pbd');
  await expect(rows(page).first()).toContainText('palette-backup-db');
  await expect(rows(page).first()).toHaveAttribute('aria-selected', 'true');
  await expect(input).toHaveAttribute('aria-activedescendant', 'palette-0');
  await page.keyboard.press('ArrowDown');
  await expect(rows(page).nth(1)).toContainText('Run now: palette-backup-db');
  await expect(rows(page).nth(1)).toHaveAttribute('aria-selected', 'true');
  await expect(input).toHaveAttribute('aria-activedescendant', 'palette-1');
  await page.keyboard.press('ArrowUp');
  await page.keyboard.press('Enter');
  await page.waitForURL('**/jobs/palette-backup-db');
  await expect(page.getByTestId('palette')).toBeHidden();

  // Also from where one is typing; a second time it closes.
  await page.keyboard.press('Meta+k');
  await expect(input).toBeFocused();
  await page.keyboard.type('conf');
  await page.keyboard.press('Enter');
  await page.waitForURL('**/config');
  await page.keyboard.press('Control+k');
  await expect(page.getByTestId('palette')).toBeVisible();
  await page.keyboard.press('Control+k');
  await expect(page.getByTestId('palette')).toBeHidden();
});

test('a machine is found by its name and leads to what is known of it', async ({ page }) => {
  await open(page, '/config');
  await page.keyboard.press('Control+k');
  await expect(page.getByTestId('palette-input')).toBeFocused();
  await page.keyboard.type('gam');
  const machine = rows(page).filter({ hasText: /^machine/ });
  await expect(machine).toHaveCount(1);
  await expect(machine).toContainText('gamma');
  await machine.click();
  await page.waitForURL('**/machines?q=gamma');
  await expect(page.getByTestId('machine-row')).toHaveCount(1);
  await expect(page.getByTestId('machine-row')).toHaveAttribute('data-machine', 'gamma');
});

test('a verb and a name run a job', async ({ page }) => {
  await open(page, '/config');
  await expect(page.getByTestId('conn-badge')).toHaveAttribute('data-state', 'live');
  await page.getByTestId('palette-button').click();
  // Its code is loaded the first time that it is opened.
  await expect(page.getByTestId('palette-input')).toBeFocused();
  await page.keyboard.type('run palette-backup');
  await expect(rows(page).first()).toContainText('Run now: palette-backup');
  await page.keyboard.press('Enter');
  await expect(page.getByTestId('toast')).toContainText('Started');
});

test('the keyboard stays within it, and goes back where it was', async ({ page }) => {
  await open(page, '/');
  await page.getByTestId('filter').focus();
  await page.keyboard.press('Control+k');
  await expect(page.getByTestId('palette-input')).toBeFocused();
  for (let i = 0; i < 4; i++) await page.keyboard.press('Tab');
  const outside = await page.evaluate(() => {
    const focused = document.activeElement;
    return focused !== document.body && !focused?.closest('dialog.palette');
  });
  expect(outside).toBe(false);
  await page.getByTestId('palette-input').focus();
  await page.keyboard.type('no such thing');
  await expect(page.getByTestId('palette-count')).toHaveText('Nothing goes with that');
  await page.keyboard.press('Escape');
  await expect(page.getByTestId('palette')).toBeHidden();
  await expect(page.getByTestId('filter')).toBeFocused();
});
