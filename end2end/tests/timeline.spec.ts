import { expect, open, test } from '../fixtures.ts';
import { onDemand } from '../jobs.ts';
import type { Locator, Page } from '@playwright/test';

const ago = (minutes: number) => new Date(Date.now() - minutes * 60_000).toISOString();

test.use({
  config: {
    'db.yaml': onDemand('band_dump', 'true', ['targets: alpha']),
    'web.yaml': ['band_often:', "  schedule: '* * * * *'", "  command: 'true'", '  targets: gamma', ''].join('\n'),
    // As if it had been there, and had ended, long before the server was started.
    'maintenance.yaml': `saltpeter_maintenance:\n  global: true\n  since: ${ago(20)}\n  until: ${ago(10)}\n  by: olga\n  reason: kernel\n`,
  },
});

const lane = (page: Page, name: string) => page.locator(`[data-testid="timeline-lane"][data-lane="${name}"]`);
const bands = (lane: Locator) => lane.getByTestId('timeline-band');

/** Changes maintenance as a program does. */
async function maintain(page: Page, edit: { groups: string[]; machines: string[]; reason: string }): Promise<void> {
  const { version } = (await (await page.request.get('/api/v1/maintenance')).json()) as { version: string };
  const saved = await page.request.put('/api/v1/maintenance', { data: { version, global: false, until: null, ...edit } });
  expect(saved.status(), await saved.text()).toBe(200);
}

test('maintenance of the past and of now is in the lanes that it concerns, with who, why and when', async ({ page, newPage }) => {
  await open(page, '/timeline?span=3600');
  await expect(bands(lane(page, 'band_often'))).toHaveCount(1);
  // From a sixth of the span to a third, of which the middle is now. Both are measured at once: lanes are drawn anew now and then.
  const away = () =>
    page.evaluate(() => {
      const plot = document.querySelector('.lane.head .track')?.getBoundingClientRect();
      const band = document.querySelector('[data-lane="band_often"] [data-testid="timeline-band"]')?.getBoundingClientRect();
      if (!plot || !band) return 1;
      return Math.max(Math.abs((band.x - plot.x) / plot.width - 1 / 6), Math.abs(band.width / plot.width - 1 / 6));
    });
  await expect.poll(away).toBeLessThan(0.05);
  const title = /^Global maintenance\nby olga: kernel, from \S+ \S+ UTC to \S+ \S+ UTC$/;
  await expect(bands(lane(page, 'band_often'))).toHaveAttribute('title', title);
  // Hatched, and named in words.
  await expect(bands(lane(page, 'band_often'))).toHaveCSS('background-image', /repeating-linear-gradient/);
  await expect(page.getByTestId('timeline-bands').getByRole('listitem')).toHaveText([/^⚒\ufe0e?Global maintenance by olga: kernel/]);

  // The page hears of it: a group's lane is there though nothing is due in it.
  await expect(lane(page, 'band_dump')).toHaveCount(0);
  await maintain(page, { groups: ['db'], machines: ['beta'], reason: 'disks' });
  await expect(bands(lane(page, 'band_dump'))).toHaveCount(2);
  await expect(bands(lane(page, 'band_dump')).last()).toHaveAttribute('title', /^Group db under maintenance\nby 127\.0\.0\.1: disks, from .* still on$/);
  await expect(lane(page, 'band_dump').getByRole('img', { name: 'under maintenance' })).toBeVisible();
  await expect(bands(lane(page, 'band_often'))).toHaveCount(1);
  await expect(page.getByTestId('timeline-bands').getByRole('listitem')).toHaveCount(2);

  await open(page, '/timeline?span=3600&by=machine');
  await expect(bands(lane(page, 'beta'))).toHaveCount(2);
  await expect(bands(lane(page, 'beta')).last()).toHaveAttribute('title', /^beta under maintenance\nby 127/);

  // It is over, and stays where it was.
  await maintain(page, { groups: [], machines: [], reason: '' });
  await expect(bands(lane(page, 'beta')).last()).toHaveAttribute('title', / to \S+ \S+ UTC$/);
  await expect(lane(page, 'beta').getByRole('img', { name: 'under maintenance' })).toHaveCount(0);

  // On a phone, which has no pointer to hold over a band, and without JavaScript.
  const phone = await newPage({ javaScriptEnabled: false, viewport: { width: 390, height: 800 } });
  await phone.goto('/timeline?span=3600');
  await expect(bands(lane(phone, 'band_dump'))).toHaveCount(2);
  const told = phone.getByTestId('timeline-bands').getByRole('listitem');
  await expect(told).toHaveText([/Group db under maintenance by 127\.0\.0\.1: disks/, /Global maintenance by olga: kernel/]);
  expect(await phone.evaluate(() => document.documentElement.scrollWidth).catch(() => 390)).toBeLessThanOrEqual(390);
});

test('a band takes nothing from the bars in it', async ({ page }) => {
  await page.request.post('/api/v1/jobs/band_dump/run');
  await maintain(page, { groups: ['db'], machines: [], reason: 'disks' });
  await open(page, '/timeline?span=3600');
  await expect(bands(lane(page, 'band_dump'))).toHaveCount(2);
  await lane(page, 'band_dump').getByTestId('timeline-bar').click();
  await expect(page).toHaveURL(/\/runs\/band_dump_/);
});
