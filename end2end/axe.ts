import axe, { type AxeResults, type RunOptions } from 'axe-core';
import { expect, type Page } from '@playwright/test';

/** The rules whose answer depends on colours. */
const OF_COLOUR = ['color-contrast', 'link-in-text-block'];

const SIZES = { wide: { width: 1280, height: 800 }, phone: { width: 390, height: 844 } };

/** What axe is asked once for each size, in the light; and what is left to ask of the other theme, which changes colours and nothing else. */
const ALL: RunOptions = { resultTypes: ['violations'], rules: { 'target-size': { enabled: true } } };
const COLOURS: RunOptions = { resultTypes: ['violations'], runOnly: { type: 'rule', values: OF_COLOUR } };

/** Where a bar of the Timeline is, and how wide, is what it says; its run is found on the page of runs as well. */
const ESSENTIAL = 'data-testid="timeline-bar"';

/** What would keep somebody from using the page as it is now; each with the elements it is about. */
async function violations(page: Page, options: RunOptions): Promise<string[]> {
  const { violations }: AxeResults = await page.evaluate((options) => window.axe.run(document, options), options);
  return violations
    .map((rule) => ({ ...rule, nodes: rule.nodes.filter(({ html }) => rule.id !== 'target-size' || !html.includes(ESSENTIAL)) }))
    .filter(({ nodes }) => nodes.length > 0)
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .map(({ id, help, nodes }) => `${id}: ${help}: ${nodes.map((node) => `${node.html} ${node.any.map((check) => check.message).join()}`).join('\n  ')}`);
}

/**
 * Looks at the page in both sizes and both themes. The page stays open, and axe is in it once: its own driver would put it there anew,
 * and open another page for what it found, each time it is asked.
 */
export async function look(page: Page, what: string): Promise<void> {
  if (!(await page.evaluate(() => 'axe' in window))) await page.evaluate(axe.source);
  for (const [size, viewport] of Object.entries(SIZES)) {
    await page.setViewportSize(viewport);
    await page.emulateMedia({ colorScheme: 'light' });
    expect.soft(await violations(page, ALL), `${what}, ${size}, light`).toEqual([]);
    const sideways = () => document.documentElement.scrollWidth - document.documentElement.clientWidth;
    expect.soft(await page.evaluate(sideways), `${what}, ${size}: pixels that it is wider than the screen`).toBe(0);
    await page.emulateMedia({ colorScheme: 'dark' });
    expect.soft(await violations(page, COLOURS), `${what}, ${size}, dark`).toEqual([]);
  }
}

declare global {
  interface Window {
    /** There once `look` has put it there. */
    axe: typeof axe;
  }
}
