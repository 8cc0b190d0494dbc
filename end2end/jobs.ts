import { expect, type Locator, type Page } from '@playwright/test';
import { open } from './fixtures.ts';

/** A job that never comes due by itself. */
export function onDemand(name: string, command: string, more: string[] = []): string {
  const lines = command.trim().split('\n').map((line) => `    ${line}`);
  return [`${name}:`, "  schedule: '0 0 1 1 *'", '  command: |', ...lines, ...more.map((line) => `  ${line}`), ''].join('\n');
}

/** Presses Run now on the job's page and goes to the run that comes of it; the run's name. */
export async function runNow(page: Page, job: string): Promise<string> {
  await open(page, `/jobs/${job}`);
  const answer = page.waitForResponse((response) => response.url().endsWith(`/api/v1/jobs/${job}/run`));
  await page.getByTestId('run-now').first().click();
  const { run } = (await (await answer).json()) as { run: string };
  await open(page, `/runs/${run}`);
  return run;
}

/** Asserts the word for a run's state. */
export async function expectRun(page: Page, word: string, timeout = 15_000): Promise<void> {
  await expect(page.getByTestId('run-state')).toHaveAttribute('data-state', word, { timeout });
}

/** Answers the question whether something is really meant. */
export async function confirm(page: Page): Promise<void> {
  await page.getByTestId('confirm-yes').click();
}

/** A line of the output pane that holds `text`. */
export function line(page: Page, text: string | RegExp): Locator {
  return page.getByTestId('output-line').filter({ hasText: text });
}
