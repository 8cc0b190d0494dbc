import type { Page } from '@playwright/test';
import { expect, open, test } from '../fixtures.ts';
import { expectRun, onDemand, runNow } from '../jobs.ts';

test.use({
  config: {
    'jobs.yaml': [
      onDemand('breaks', 'exit 3', ['targets: alpha']),
      onDemand('works', 'true', ['targets: alpha']),
    ].join('\n'),
  },
});

interface Shown {
  title: string;
  body: string;
  tag: string;
}

declare global {
  interface Window {
    shown: Shown[];
    asked: number;
  }
}

/** A browser that notifies into a list, and in which nobody looks at the tab. */
async function notifies(page: Page, answer: 'granted' | 'denied'): Promise<void> {
  await page.addInitScript((answer) => {
    window.shown = [];
    window.asked = 0;
    let permission = localStorage.getItem('test.permission') ?? 'default';
    class Fake {
      static get permission(): string {
        return permission;
      }
      static requestPermission(): Promise<string> {
        window.asked += 1;
        permission = answer;
        localStorage.setItem('test.permission', answer);
        return Promise.resolve(answer);
      }
      onclick: (() => void) | null = null;
      constructor(title: string, options: { body: string; tag: string }) {
        window.shown.push({ title, body: options.body, tag: options.tag });
        (window as unknown as { last: Fake }).last = this;
      }
    }
    (window as unknown as { Notification: unknown }).Notification = Fake;
    document.hasFocus = () => false;
  }, answer);
}

const icon = (page: Page) => page.locator('link[rel=icon]');

async function start(page: Page, job: string): Promise<void> {
  const answer = await page.request.post(`/api/v1/jobs/${job}/run`);
  expect(answer.status()).toBe(201);
}

test('title and icon tell what runs and what has failed', async ({ page, saltpeter }) => {
  await saltpeter.writeConfig(
    'waits.yaml',
    onDemand('waiting', `until [ -e ${saltpeter.dir}/go ]; do sleep 0.05; done`, ['targets: beta']),
  );
  await open(page, '/');
  await expect(page.getByTestId('job-row-waiting')).toBeVisible();
  await expect(icon(page)).toHaveAttribute('href', '/favicon.svg');
  const title = await page.title();
  await start(page, 'waiting');
  await expect(page).toHaveTitle(`◐ 1 ${title}`);
  await expect(icon(page)).toHaveAttribute('href', '/favicon-running.svg');
  await start(page, 'breaks');
  await expect(page).toHaveTitle(`✕ 1 ◐ 1 ${title}`);
  await expect(icon(page)).toHaveAttribute('href', '/favicon-failed.svg');
  await saltpeter.touch('go');
  await expect(page).toHaveTitle(`✕ 1 ${title}`);
  await page.locator('nav a[href="/config"]').click();
  await expect(page).toHaveTitle('✕ 1 Config · Saltpeter');
  for (const href of ['/favicon.svg', '/favicon-failed.svg', '/favicon-running.svg']) {
    expect((await page.request.get(href)).headers()['content-type']).toBe('image/svg+xml');
  }
});

test('a browser that wants it is notified of failures alone, and is led to the run', async ({ page, newPage }) => {
  await notifies(page, 'granted');
  await open(page, '/');
  const bell = page.getByTestId('bell');
  await expect(bell).toHaveAttribute('aria-pressed', 'false');
  await start(page, 'breaks');
  await expect(page).toHaveTitle(/✕ 1/);
  expect(await page.evaluate(() => window.shown)).toEqual([]);

  await bell.click();
  await expect(bell).toHaveAttribute('aria-pressed', 'true');
  await start(page, 'works');
  await start(page, 'breaks');
  await expect.poll(() => page.evaluate(() => window.shown.length)).toBe(1);
  const shown = await page.evaluate(() => window.shown);
  expect(shown[0]?.title).toBe('breaks: failed');
  expect(shown[0]?.body).toContain('did not succeed');
  expect(shown[0]?.tag).toMatch(/^\/runs\/breaks_\d+/);

  // The choice is kept, and asked for once.
  await open(page, '/config');
  await expect(bell).toHaveAttribute('aria-pressed', 'true');
  expect(await page.evaluate(() => window.asked)).toBe(0);
  await start(page, 'breaks');
  await expect.poll(() => page.evaluate(() => window.shown.length)).toBe(1);
  await page.evaluate(() => (window as unknown as { last: { onclick: () => void } }).last.onclick());
  await page.waitForURL(/\/runs\/breaks_/);
  await expectRun(page, 'failed');

  await bell.click();
  await expect(bell).toHaveAttribute('aria-pressed', 'false');
  const other = await newPage();
  await open(other, '/');
  await expect(other.getByTestId('bell')).toHaveAttribute('aria-pressed', 'false');
});

test('a browser that does not let the site notify says so', async ({ page }) => {
  await notifies(page, 'denied');
  await open(page, '/');
  const bell = page.getByTestId('bell');
  await bell.click();
  await expect(bell).toHaveAttribute('aria-disabled', 'true');
  await expect(bell).toHaveAttribute('aria-label', /does not let this site/);
  await runNow(page, 'breaks');
  await expectRun(page, 'failed');
  expect(await page.evaluate(() => window.shown)).toEqual([]);
});
