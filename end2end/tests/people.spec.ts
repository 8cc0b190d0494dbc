import { expect, hydrated, open, test } from '../fixtures.ts';
import { expectRun, onDemand, runNow } from '../jobs.ts';
import { PASSWORD, logIn, welcome } from '../people.ts';

test.use({ auth: true, config: { 'db.yaml': onDemand('entry', 'echo hello', ['targets: alpha']) } });

test('the first admin is made by the link, and the dashboard is live', async ({ page, saltpeter }) => {
  await welcome(page, saltpeter);
  await expect(page.getByTestId('conn-badge')).toHaveAttribute('data-state', 'live');
  await runNow(page, 'entry');
  await expectRun(page, 'succeeded');
  await expect(page.locator('main')).toContainText('ana');
  await page.getByRole('link', { name: 'Account' }).click();
  await expect(page.getByRole('heading', { name: 'ana' })).toBeVisible();
  await expect(page.getByTestId('session')).toHaveCount(1);
});

test('one is led to the login page and back to where one wanted to go', async ({ page, saltpeter, newPage, guard }) => {
  await welcome(page, saltpeter);
  const other = await newPage();
  await other.goto('/jobs/entry');
  await expect(other).toHaveURL(/\/login\?next=/);
  // The browser prints the refusal that this test provokes.
  guard.allow(/401 \(Unauthorized\)/);
  await logIn(other, 'ana', 'wrong wrong wrong');
  await expect(other.getByTestId('alert')).toContainText('The name or the password is wrong');
  await logIn(other, 'ana');
  await expect(other).toHaveURL(`${saltpeter.url}/jobs/entry`);
  await hydrated(other);
  await expect(other.getByTestId('conn-badge')).toHaveAttribute('data-state', 'live');
});

test('who is logged out elsewhere is led to the login page by the next click', async ({ page, saltpeter, newPage, guard }) => {
  await welcome(page, saltpeter);
  await open(page, '/jobs/entry');
  const other = await newPage();
  await other.goto('/login');
  await logIn(other, 'ana');
  await hydrated(other);
  guard.allow(/401/, /WebSocket/);
  await other.goto('/account');
  await other.getByRole('button', { name: 'Log out everywhere' }).click();
  await expect(other).toHaveURL(/\/login$/);
  await page.getByTestId('run-now').first().click();
  await expect(page).toHaveURL(/\/login\?next=/);
});

test('an admin adds a viewer, who may look and nothing else', async ({ page, saltpeter, newPage, guard }) => {
  await welcome(page, saltpeter);
  await page.goto('/users');
  const form = page.locator('form[action="/users"]');
  await form.getByLabel('Name').fill('vid');
  await form.getByLabel(/^Password/).fill(PASSWORD);
  await form.getByRole('button', { name: 'Add' }).click();
  await expect(page.getByTestId('user')).toHaveCount(2);

  const other = await newPage();
  await other.goto('/login?next=/jobs/entry');
  await logIn(other, 'vid');
  await hydrated(other);
  guard.allow(/403 \(Forbidden\)/);
  // The button is not there for them, and who finds another way is refused.
  await expect(other.getByTestId('run-now')).toBeHidden();
  await other.keyboard.press('r');
  await expect(other.getByTestId('toast')).toContainText('takes the role operator');
  await other.setViewportSize({ width: 390, height: 844 });
  await open(other, '/');
  await expect(other.getByTestId('job-row-entry')).toBeVisible();
  await expect(other.getByTestId('run-now').first()).toBeHidden();
  await other.goto('/users');
  await expect(other.getByTestId('failure')).toContainText('takes the role admin');
});

test('the pages of people work on a phone, in both themes, and without JavaScript', async ({ page, saltpeter, newPage }) => {
  await welcome(page, saltpeter);
  for (const colorScheme of ['light', 'dark'] as const) {
    const phone = await newPage({ javaScriptEnabled: false, colorScheme, viewport: { width: 360, height: 640 } });
    await phone.goto('/login?next=/account');
    await logIn(phone, 'ana');
    for (const address of ['/account', '/users', '/tokens']) {
      await phone.goto(address);
      await expect(phone.locator('h1')).toBeVisible();
      const width = await phone.evaluate(() => document.documentElement.scrollWidth).catch(() => 360);
      expect(width, `${address} fits`).toBeLessThanOrEqual(360);
    }
  }
});

test('the pages that are plain forms have the theme and the zone that were chosen, and change them', async ({ page, saltpeter }) => {
  await welcome(page, saltpeter);
  await page.emulateMedia({ colorScheme: 'light' });
  await page.goto('/audit');
  const ground = () => page.locator('body').evaluate((body) => getComputedStyle(body).backgroundColor);
  const light = await ground();
  const theme = page.getByTestId('theme-toggle');
  await expect(theme).toHaveAttribute('aria-label', 'Theme: auto');
  await theme.click();
  await expect(theme).toHaveAttribute('data-state', 'dark');
  expect(await ground()).not.toBe(light);

  const clock = page.getByTestId('clock-toggle');
  const time = page.getByTestId('audit-row').first().locator('time');
  await expect(clock).toHaveText(/^\d\d:\d\d:\d\d UTC/);
  await expect(time).toHaveText(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC$/);
  await clock.click();
  await expect(clock).toHaveText(/^\d\d:\d\d:\d\d \+0[12]:00/);
  // The same moment, in the zone of the browser.
  const shown = await time.textContent();
  expect(shown).toMatch(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d \+0[12]:00$/);
  const moment = await time.getAttribute('datetime');
  expect(new Date((shown ?? '').replace(' ', 'T').replace(' ', '')).getTime()).toBe(new Date(moment ?? '').getTime());

  await page.goto('/account');
  await expect(clock).toHaveAttribute('data-state', 'local');
  await expect(page.getByTestId('session').locator('time').first()).toHaveText(/^\d{4}-\d\d-\d\d \d\d:\d\d \+0[12]:00$/);
  await open(page, '/');
  await expect(page.getByTestId('clock-toggle')).toHaveAttribute('data-state', 'local');
  await expect(page.getByTestId('theme-toggle')).toHaveAttribute('data-state', 'dark');
});
