import type { Page } from '@playwright/test';
import { expect, open, test } from '../fixtures.ts';
import { expectRun, line, onDemand, runNow } from '../jobs.ts';

// How one goes back through more output than is in the page.

test.use({
  // A trace keeps the page as it is at each step: thousands of lines, over and over.
  trace: 'off',
  config: { 'jobs.yaml': onDemand('scrolled-output', 'seq -f "step %.0f is done" 1 5000', ['targets: alpha']) },
});

/** Counts from now on the lines that are taken out of the page and put in again. */
async function watchMoves(page: Page, testid: string): Promise<() => Promise<number>> {
  await page.getByTestId(testid).evaluate((list) => {
    const moved = { lines: 0 };
    Object.assign(window, { moved });
    new MutationObserver((changes) => {
      for (const { removedNodes } of changes) {
        for (const node of removedNodes) if (node instanceof HTMLElement && node.isConnected) moved.lines += 1;
      }
    }).observe(list, { childList: true, subtree: true });
  });
  return () => page.evaluate(() => (window as unknown as { moved: { lines: number } }).moved.lines);
}

test('scrolling back through the output moves no line that is there already', async ({ page }) => {
  await runNow(page, 'scrolled-output');
  await expectRun(page, 'succeeded');
  await expect(line(page, 'step 5000 is done')).toBeVisible();
  const pane = page.getByTestId('output');
  await pane.hover();
  await page.mouse.wheel(0, -400);
  await expect(page.getByTestId('output-new')).toBeVisible();
  const moved = await watchMoves(page, 'output');
  // Six lines at a time.
  const early = pane.locator('[data-line="4800"]');
  while ((await early.count()) === 0) await page.mouse.wheel(0, -120);
  await expect(early).toContainText('step 4800 is done');
  expect(await moved()).toBe(0);
});

test('earlier lines of a merged view come above what is seen, which stays', async ({ page }) => {
  const run = await runNow(page, 'scrolled-output');
  await expectRun(page, 'succeeded');
  await open(page, `/runs/${run}?merged=alpha`);
  const list = page.getByTestId('listing');
  const lines = page.getByTestId('listing-line');
  const first = async () => Number(await lines.first().getAttribute('data-line'));
  await expect(lines).toHaveCount(500);
  const moved = await watchMoves(page, 'listing');
  // More than are held, so that later ones go meanwhile.
  while ((await first()) > 1) {
    const before = await first();
    const seen = await list.evaluate((list) => {
      list.scrollTop = 150;
      const edge = list.getBoundingClientRect().top;
      const all = [...list.querySelectorAll<HTMLElement>('[data-line]')];
      const line = all.find((line) => line.getBoundingClientRect().top >= edge);
      return { line: line?.dataset['line'], y: line?.getBoundingClientRect().top ?? 0 };
    });
    await expect.poll(first, { intervals: [20] }).toBeLessThan(before);
    const there = list.locator(`[data-line="${seen.line}"]`);
    await expect.poll(async () => Math.abs(((await there.boundingBox())?.y ?? 0) - seen.y), { intervals: [20] }).toBeLessThan(1);
  }
  await expect(lines.first()).toContainText('step 1 is done');
  await expect(lines).toHaveCount(3_000);
  expect(await moved()).toBe(0);
  // And forward again.
  await list.evaluate((list) => (list.scrollTop = list.scrollHeight));
  await expect.poll(first).toBeGreaterThan(1);
});
