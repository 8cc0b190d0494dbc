import { readFileSync } from 'node:fs';
import type { Locator, Page } from '@playwright/test';
import { expect, open, test } from '../fixtures.ts';
import { welcome } from '../people.ts';

// The pages that are plain forms show times and switches by public/plain.js, all others by the WASM.

// A page is made for each zone, and a trace of each takes longer than all else.
test.use({ trace: 'off' });

interface Written {
  zone: string;
  /** Unix time in milliseconds. */
  at: number;
  /** Minutes east of UTC. */
  offset: number;
  /** As pages write it. */
  absolute: string;
  /** The time of day alone. */
  clock: string;
}

/** A unit test holds app/src/format.rs to the same file. */
const WRITTEN = JSON.parse(readFileSync(new URL('../../app/tests/golden/times.json', import.meta.url), 'utf8')) as Written[];

/** A plain page with these times, each as exact as the audit's and as exact as the sessions'. */
function plainPage(times: Written[]): string {
  const element = ({ at }: Written) => {
    const datetime = new Date(at).toISOString();
    return ['00:00:00', '00:00'].map((time) => `<time datetime="${datetime}">1970-01-01 ${time} UTC</time>`).join('');
  };
  return `<!DOCTYPE html><title>Times</title><link rel="icon" href="/favicon.svg">
    <header class="bar"><button class="clock"><span></span><span></span></button><button class="theme"></button></header>
    ${times.map(element).join('')}<script src="/plain.js"></script>`;
}

test('plain pages write times as the dashboard does, in whatever zone', async ({ newPage }) => {
  for (const zone of new Set(WRITTEN.map(({ zone }) => zone))) {
    const times = WRITTEN.filter((written) => written.zone === zone);
    const page = await newPage({ timezoneId: zone });
    await page.addInitScript(() => localStorage.setItem('saltpeter.zone', 'local'));
    await page.route('**/times', (route) => route.fulfill({ contentType: 'text/html; charset=utf-8', body: plainPage(times) }));
    await page.goto('/times');
    const expected = times.flatMap(({ absolute }) => [absolute, absolute.replace(/:\d\d /, ' ')]);
    await expect(page.locator('time'), zone).toHaveText(expected);
    const clock = page.locator('.clock');
    for (const { at, clock: time, offset } of times) {
      // The WASM asks this of the browser, and writes the rest itself.
      expect(await page.evaluate((at) => 0 - new Date(at).getTimezoneOffset(), at), `${zone} at ${at}`).toBe(offset);
      await page.clock.setFixedTime(at);
      await clock.click();
      await clock.click();
      await expect(clock.locator('span').first(), zone).toHaveText(time);
    }
    await clock.click();
    const inUtc = times.map(({ at }) => `${new Date(at).toISOString().slice(0, 19).replace('T', ' ')} UTC`);
    await expect(page.locator('time:nth-of-type(odd)'), zone).toHaveText(inUtc);
  }
});

/** What a switch shows and sets, each time that it is pressed, until it is back. */
async function pressed(page: Page, button: Locator, times: number, text: Locator): Promise<unknown[]> {
  const seen = [];
  for (let n = 0; n < times; n += 1) {
    await button.click();
    const shown = await button.evaluate((button) => ({
      state: button.dataset['state'],
      title: button.getAttribute('title'),
      label: button.getAttribute('aria-label'),
    }));
    const kept = await page.evaluate(() => [localStorage.getItem('saltpeter.theme'), localStorage.getItem('saltpeter.zone')]);
    const theme = await page.evaluate(() => document.documentElement.dataset['theme']);
    seen.push({ ...shown, kept, theme, text: await text.textContent() });
  }
  return seen;
}

test.describe('with people', () => {
  test.use({ auth: true });

  test('the switches of plain pages are those of the dashboard', async ({ page, saltpeter }) => {
    await welcome(page, saltpeter);
    const theme = page.getByTestId('theme-toggle');
    const zone = page.getByTestId('clock-toggle');
    const all = async () => {
      await page.evaluate(() => localStorage.clear());
      return [...(await pressed(page, theme, 3, theme)), ...(await pressed(page, zone, 2, zone.locator('.other-zone')))];
    };
    await open(page, '/');
    const dashboard = await all();
    await page.goto('/account');
    expect(await all()).toEqual(dashboard);
  });
});
