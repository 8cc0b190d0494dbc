import { expect, open, SERVER_IS_DOWN, test } from '../fixtures.ts';
import { onDemand } from '../jobs.ts';

// What pages do with names that are longer than there is room for, and on a phone.

const LONG = `layout_${'a_name_that_goes_on_'.repeat(5)}`;
const PHONE = { width: 390, height: 844 };

test.use({
  config: {
    'web.yaml': [
      onDemand(LONG, 'until false; do sleep 1; done', ['targets: alpha', 'timeout: 120']),
      onDemand('layout_few', 'echo one', ["targets: '*'", 'number_of_targets: 1']),
    ].join('\n'),
    'zz.yaml': 'saltpeter_config:\n  run_now_confirm_above: 2\n',
  },
});

test('the buttons of a job are within the window whatever the names', async ({ page }) => {
  await open(page, '/');
  const row = page.getByTestId(`job-row-${LONG}`);
  await row.getByTestId('run-now').click();
  await expect(row.getByTestId('kill')).toBeInViewport({ ratio: 1 });
  await expect(row.getByTestId('run-now')).toBeInViewport({ ratio: 1 });
  const sideways = () => page.getByTestId('job-table').evaluate((table) => table.scrollWidth - table.clientWidth);
  expect(await sideways()).toBe(0);
  await page.setViewportSize(PHONE);
  await expect(row.getByTestId('kill')).toBeInViewport({ ratio: 1 });
  await expect(row.getByTestId('run-now')).toBeInViewport({ ratio: 1 });
  expect(await sideways()).toBe(0);
  // Beside what else is in it, the row leads to the job.
  await row.locator('td').first().click({ position: { x: 4, y: 4 } });
  await expect(page).toHaveURL(new RegExp(`/jobs/${LONG}$`));
});

test('the editor is no wider than the window whatever the name', async ({ page }) => {
  for (const size of [{ width: 1280, height: 800 }, PHONE]) {
    await page.setViewportSize(size);
    await open(page, `/jobs/${LONG}/edit`);
    await expect(page.getByTestId('editor-preview')).toContainText(LONG);
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(size.width);
  }
});

test('the question before Run now is about as many machines as the job takes', async ({ page }) => {
  await open(page, '/jobs/layout_few');
  await page.getByTestId('run-now').first().click();
  await expect(page.getByTestId('toast')).toContainText('Started');
});

test('on a phone the header begins at the current page', async ({ page }) => {
  await page.setViewportSize(PHONE);
  await open(page, '/config');
  await expect(page.getByRole('navigation').getByRole('link', { name: /^Config/ })).toBeInViewport({ ratio: 1 });
});

test('a page that does not exist has the header, and its links lead on within the tab', async ({ page, guard }) => {
  guard.allow(/404/);
  await open(page, '/no-such-page');
  await expect(page.getByTestId('conn-badge')).toHaveAttribute('data-state', 'live');
  await page.evaluate(() => Object.assign(window, { same: true }));
  await page.getByRole('navigation').getByRole('link', { name: 'Runs' }).click();
  await expect(page.getByTestId('no-runs')).toBeVisible();
  await expect(page.getByTestId('conn-badge')).toHaveAttribute('data-state', 'live');
  await expect(page.getByTestId('conn-badge')).toHaveCount(1);
  expect(await page.evaluate(() => 'same' in window)).toBe(true);
});

test('the header stays as high when the connection is lost', async ({ page, saltpeter, guard }) => {
  guard.allow(...SERVER_IS_DOWN);
  await open(page, '/runs');
  const badge = page.getByTestId('conn-badge');
  await expect(badge).toHaveAttribute('data-state', 'live');
  const heights = async () => {
    const heights: Record<number, number> = {};
    for (const width of [1600, 1280, PHONE.width]) {
      await page.setViewportSize({ width, height: 800 });
      heights[width] = (await page.locator('header.bar').boundingBox())?.height ?? 0;
    }
    return heights;
  };
  const before = await heights();
  await saltpeter.kill9();
  await expect(badge).toContainText('last data');
  expect(await heights()).toEqual(before);
  await saltpeter.start();
});

test('what is being read is drawn as lines, after a moment', async ({ page }) => {
  await open(page, '/');
  let answer = () => {};
  const looked = new Promise<void>((resolve) => (answer = resolve));
  await page.route('**/api/v1/machines*', async (route) => {
    await looked;
    await route.continue();
  });
  await page.getByRole('link', { name: 'Machines' }).click();
  await expect(page.locator('.skeleton')).toHaveCSS('opacity', '1');
  await expect(page.getByRole('heading', { name: 'Machines' })).toBeVisible();
  answer();
  await expect(page.getByTestId('machine-row').first()).toBeVisible();
});

test.describe('a fleet with long names', () => {
  const fleet = ['cold-storage-0117', 'frontend-0001', 'frontend-0002'].map((name) => `production-eu-central-1-${name}.example.com`);
  test.use({
    config: {
      'web.yaml': onDemand('layout_fleet', 'echo one', ["targets: '*'"]),
      'zz.yaml': `saltpeter_config:\n  local_machines: [${fleet.join(', ')}]\n`,
    },
  });

  test('has whole names in its cells where there is room, and elsewhere what tells them apart', async ({ page }) => {
    await open(page, '/jobs/layout_fleet');
    await page.getByTestId('run-now').first().click();
    await expect(page.getByTestId('toast')).toContainText('Started');
    await page.getByTestId('toast').getByRole('link').click();
    const names = page.locator('.cell-name');
    await expect(names).toHaveCount(3);
    const cut = (parts: string) => page.locator(parts).evaluateAll((all) => all.filter((part) => part.scrollWidth > part.clientWidth).length);
    expect((await names.allTextContents()).sort()).toEqual(fleet);
    expect(await cut('.cell-name > span')).toBe(0);
    await page.setViewportSize(PHONE);
    expect(await cut('.cell-name > .common')).toBeGreaterThan(0);
    expect(await cut('.cell-name > :not(.common)')).toBe(0);
    for (const own of ['frontend-0001', 'frontend-0002', 'cold-storage-0117']) {
      await expect(page.locator('.cell-name > :not(.common)').filter({ hasText: own })).toBeInViewport({ ratio: 1 });
    }
  });
});
