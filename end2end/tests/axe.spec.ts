import { AxeBuilder } from '@axe-core/playwright';
import type { Page } from '@playwright/test';
import { expect, open, test } from '../fixtures.ts';
import { expectRun, onDemand, runNow } from '../jobs.ts';

test.use({
  config: {
    'web.yaml': [
      onDemand('axe-checks', 'printf "\\033[31mred\\033[0m\\n"; echo warn >&2; [ "$SP_MACHINE_ID" != beta ] || exit 3', ["targets: '*'"]),
      onDemand('axe-long', 'until false; do sleep 1; done', ['targets: alpha', 'timeout: 30']),
    ].join('\n'),
    'db.yaml': 'backup:\n  schedule: "30 2 * * *"\n  timezone: Europe/Ljubljana\n  command: echo backup\n  targets: gamma\n',
    'broken.yaml': 'typo:\n  schedule: "0 25 * * *"\n  command: echo x\n  targets: alpha\n',
  },
});

/** What would keep somebody from using the page; each with the elements it is about. */
async function violations(page: Page): Promise<string[]> {
  const { violations } = await new AxeBuilder({ page }).analyze();
  return violations
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .map(({ id, help, nodes }) => `${id}: ${help}: ${nodes.map((node) => `${node.html} ${node.any.map((check) => check.message).join()}`).join('\n  ')}`);
}

for (const colorScheme of ['light', 'dark'] as const) {
  for (const [width, viewport] of [['wide', { width: 1280, height: 800 }], ['phone', { width: 390, height: 844 }]] as const) {
    test(`axe finds nothing serious on any page, ${colorScheme}, ${width}`, async ({ page, newPage }) => {
      test.setTimeout(180_000);
      const run = await runNow(page, 'axe-checks');
      await expectRun(page, 'failed');
      const going = await runNow(page, 'axe-long');
      await expectRun(page, 'running');
      const shown = await newPage({ colorScheme, viewport, reducedMotion: 'reduce' });
      const pages = ['/', '/jobs/axe-checks', '/jobs/axe-long', '/jobs/backup', `/runs/${run}`, `/runs/${going}`, '/maintenance', '/config'];
      for (const address of pages) {
        await open(shown, address);
        await expect(shown.getByTestId('conn-badge')).toHaveAttribute('data-state', 'live');
        await shown.evaluate(() => document.querySelectorAll('details').forEach((details) => (details.open = true)));
        expect.soft(await violations(shown), address).toEqual([]);
      }
      await shown.keyboard.press('?');
      await expect(shown.getByTestId('help')).toBeVisible();
      expect(await violations(shown), 'help').toEqual([]);
      for (const address of ['/account', '/audit']) {
        await shown.goto(address);
        expect.soft(await violations(shown), address).toEqual([]);
      }
    });
  }
}

test.describe('with a login', () => {
  test.use({ auth: true });

  test('axe finds nothing serious on the login page', async ({ page, guard }) => {
    guard.allow(/401/);
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme });
      await page.goto('/login');
      expect(await violations(page), colorScheme).toEqual([]);
    }
  });
});

test('who wants less motion gets none', async ({ newPage }) => {
  const page = await newPage({ reducedMotion: 'reduce' });
  await runNow(page, 'axe-long');
  await expectRun(page, 'running');
  const moving = () =>
    page.evaluate(() => document.getAnimations().filter((animation) => animation.playState === 'running').length);
  for (const address of ['/', '/jobs/axe-long']) {
    await open(page, address);
    await expect(page.getByText('running').first()).toBeVisible();
    expect(await moving(), address).toBe(0);
  }
});
