import type { Page } from '@playwright/test';
import { expect, open, test } from '../fixtures.ts';
import { expectRun, line, onDemand, runNow } from '../jobs.ts';

/** Five thousand lines, of which one in a thousand is an error in red, on standard error. */
const LONG = `
i=0
while [ $i -lt 5000 ]; do
  i=$((i+1))
  if [ $((i % 1000)) = 0 ]; then printf 'an er\\033[31mror\\033[0m in step %d\\n' $i >&2; else echo "step $i is done"; fi
done
`;

/** The same on all machines but one; times differ, so that they can be merged. */
const ALIKE = `
echo begun
sleep 0.05
echo "going on" >&2
if [ "$SP_MACHINE_ID" = gamma ]; then echo "something else"; else echo "all is well"; fi
`;

test.use({
  config: {
    'jobs.yaml': [
      onDemand('long-output', LONG, ['targets: alpha']),
      onDemand('alike', ALIKE, ["targets: '*'"]),
    ].join('\n'),
  },
});

const current = (page: Page) => page.getByTestId('search-current').first();
const count = (page: Page) => page.getByTestId('search-count');

async function search(page: Page, text: string): Promise<void> {
  if ((await page.getByTestId('search-text').count()) === 0) await page.keyboard.press('s');
  await page.getByTestId('search-text').fill(text);
}

test('the whole output is searched, forwards and backwards', async ({ page, guard }) => {
  // The browser says so when an expression is refused.
  guard.allow(/422/);
  await runNow(page, 'long-output');
  await expectRun(page, 'succeeded');
  await expect(line(page, 'step 4999 is done')).toBeVisible();

  await search(page, 'ERROR IN');
  await expect(count(page)).toHaveText('1 of 5');
  await expect(line(page, 'an error in step 1000')).toBeInViewport();
  await expect(current(page)).toBeInViewport();
  await page.keyboard.press('Enter');
  await expect(count(page)).toHaveText('2 of 5');
  await expect(line(page, 'an error in step 2000')).toBeInViewport();
  await page.keyboard.press('Shift+Enter');
  await page.keyboard.press('Shift+Enter');
  await expect(count(page)).toHaveText('5 of 5');
  await expect(line(page, 'an error in step 5000')).toBeInViewport();
  await page.getByTestId('search-next').click();
  await expect(count(page)).toHaveText('1 of 5');

  await page.getByTestId('search-case').click();
  await expect(count(page)).toHaveText('nothing found');
  await search(page, 'step 12[0-9]{2} ');
  await expect(count(page)).toHaveText('nothing found');
  await page.getByTestId('search-regex').click();
  await expect(count(page)).toHaveText('1 of 100');
  await expect(line(page, 'step 1200 is done')).toBeInViewport();
  await search(page, 'step (');
  await expect(page.getByTestId('search-problem')).toContainText('not a regular expression');
  // More hits than are sent at a time: the last is reached all the same.
  await search(page, 'is d.ne$');
  await expect(count(page)).toHaveText('1 of 4,995');
  await page.getByTestId('search-previous').click();
  await expect(count(page)).toHaveText('4,995 of 4,995');
  await expect(line(page, 'step 4999 is done')).toBeInViewport();

  await page.getByTestId('search-text').press('Escape');
  await expect(page.getByTestId('search-text')).toHaveCount(0);
  await expect(page.locator('mark')).toHaveCount(0);
});

test('only standard error, and from there to its place among the rest', async ({ page }) => {
  await runNow(page, 'long-output');
  await expectRun(page, 'succeeded');
  await page.getByTestId('output-stderr').click();
  await expect(page.getByTestId('listing-line')).toHaveCount(5);
  await expect(page.getByTestId('listing-line').first()).toContainText('an error in step 1000');
  // The two streams come by ways of their own: which line it is among the rest is not the same each time.
  const third = page.getByTestId('listing-line').nth(2);
  const number = await third.getAttribute('data-line');
  await third.locator('.line-number').click();
  await expect(page.getByTestId('listing')).toHaveCount(0);
  await expect(line(page, 'an error in step 3000')).toBeInViewport();
  await expect(line(page, 'an error in step 3000')).toHaveClass(/selected/);
  expect(page.url()).toContain(`#L${number}`);
});

test('a range of lines is chosen, and its link opens there', async ({ page }) => {
  const run = await runNow(page, 'long-output');
  await expectRun(page, 'succeeded');
  await open(page, `/runs/${run}#L120-L140`);
  await expect(page.getByTestId('output').locator('.selected')).toHaveCount(21);
  await expect(line(page, 'step 121 is done')).toBeInViewport();
  await page.getByTestId('output').locator('[data-line="118"] .line-number').click();
  await page.getByTestId('output').locator('[data-line="122"] .line-number').click({ modifiers: ['Shift'] });
  await expect(page.getByTestId('output').locator('.selected')).toHaveCount(5);
  expect(page.url()).toContain('#L118-L122');
});

test('what machines have written alike is told anew while they write', async ({ page, saltpeter }) => {
  const wait = (file: string) => `until [ -e ${saltpeter.dir}/${file} ]; do sleep 0.05; done`;
  const command = ['echo one', wait('more'), 'echo two', wait('end')].join('\n');
  await saltpeter.writeConfig('writing.yaml', onDemand('still-writing', command, ["targets: '*'"]));
  await open(page, '/');
  await expect(page.getByTestId('job-row-still-writing')).toBeVisible();
  await runNow(page, 'still-writing');
  const alike = (lines: string) =>
    page.getByTestId('same-group').filter({ hasText: `identical on all 3 machines · ${lines}` });
  await expect(alike('1 line')).toBeVisible();
  // No machine ends by this; each writes one line more.
  await saltpeter.touch('more');
  await expect(alike('2 lines')).toBeVisible();
  await expectRun(page, 'running');
  await saltpeter.touch('end');
  await expectRun(page, 'succeeded');
});

test('machines are grouped by their output, merged by time, and taken along', async ({ page }) => {
  const run = await runNow(page, 'alike');
  await expectRun(page, 'succeeded');
  const groups = page.getByTestId('same-group');
  await expect(groups).toHaveCount(2);
  await expect(groups.first()).toContainText('identical on 2 machines · 3 lines');
  await groups.first().locator('summary').click();
  await expect(groups.first().getByRole('link')).toHaveText(['alpha', 'beta']);
  await expect(groups.last()).toContainText('gamma');

  await page.getByTestId('merge').click();
  const lines = page.getByTestId('listing-line');
  await expect(lines).toHaveCount(9);
  await expect(page.getByTestId('merged')).toContainText('3 machines merged by time');
  for (const machine of ['alpha', 'beta', 'gamma']) {
    await expect(page.locator(`[data-testid="listing-line"][data-machine="${machine}"]`)).toHaveCount(3);
  }
  await expect(lines.filter({ hasText: 'begun' })).toHaveCount(3);
  await page.getByTestId('merged-stderr').click();
  await expect(lines).toHaveCount(3);
  await expect(lines.first()).toContainText('going on');
  await page.getByTestId('merged-machines').fill('gamma alpha');
  await page.getByTestId('merged-machines').press('Enter');
  await expect(lines).toHaveCount(6);
  await expect(page.getByTestId('merged')).toContainText('2 of 3 machines merged by time');
  await page.getByTestId('merged-back').click();
  await expect(page.getByTestId('output')).toBeVisible();

  const started = page.waitForEvent('download');
  await page.getByTestId('archive').click();
  expect((await started).suggestedFilename()).toBe(`${run}.tar`);
});

test('merged lines and groups are there without JavaScript', async ({ page, newPage }) => {
  const run = await runNow(page, 'alike');
  await expectRun(page, 'succeeded');
  const plain = await newPage({ javaScriptEnabled: false });
  await plain.goto(`/runs/${run}?merged=*`);
  await expect(plain.getByTestId('listing-line')).toHaveCount(9);
  await expect(plain.getByTestId('same-group')).toHaveCount(2);
});
