import { expect, open, test } from '../fixtures.ts';
import { line, onDemand, runNow } from '../jobs.ts';

/** Markup, ends of elements that others are in, quotes, entities, and what turns the direction of text. */
const HOSTILE = [
  '<script>window.hacked=1</script>',
  '</script><script>window.hacked=1</script>',
  '</textarea></title><img src=x onerror=window.hacked=1>',
  '"><svg onload=window.hacked=1>',
  "' onmouseover='window.hacked=1",
  '&lt;script&gt; &amp; &#60;b&#62;',
  'javascript:window.hacked=1',
  '\u202etxt.exe\u202c \u2066a\u2069',
];

const COMMAND = `cat <<'EOF'\n${HOSTILE.join('\n')}\nEOF\nexit 3`;

test.use({
  config: {
    'hostile.yaml': onDemand('hostile', COMMAND, ['targets: alpha']),
    'names.yaml': HOSTILE.map((text) => `${JSON.stringify(text)}:\n  schedule: ${JSON.stringify(text)}\n  command: 'true'\n  targets: ${JSON.stringify(text)}\n`).join(''),
    'maintenance.yaml': `saltpeter_maintenance:\n  machines: [beta]\n  reason: ${JSON.stringify(HOSTILE[1])}\n`,
  },
});

test('what jobs are called, run, print and get wrong stays text on the live page', async ({ page }) => {
  // Whatever a page would load, run or report because of it.
  const strange: string[] = [];
  page.on('request', (request) => {
    if (/\/x$/.test(request.url())) strange.push(request.url());
  });
  const run = await runNow(page, 'hostile');
  for (const text of HOSTILE) {
    const shown = line(page, text.trim()).first();
    await expect(shown, text).toBeVisible();
  }
  for (const address of ['/', '/jobs/hostile', `/runs/${run}?machine=alpha`, '/runs', '/timeline', '/machines', '/maintenance', '/config', `/runs?job=${encodeURIComponent(HOSTILE[2] ?? '')}`, `/machines?q=${encodeURIComponent(HOSTILE[2] ?? '')}`, `/timeline?q=${encodeURIComponent(HOSTILE[2] ?? '')}`, `/?q=${encodeURIComponent(HOSTILE[2] ?? '')}`]) {
    await open(page, address);
    const found = await page.evaluate(() => ({
      hacked: 'hacked' in window,
      images: document.querySelectorAll('img[src="x"], svg[onload], [onmouseover], [onerror]').length,
      links: [...document.querySelectorAll('a')].filter((link) => link.protocol === 'javascript:').length,
    }));
    expect(found, address).toEqual({ hacked: false, images: 0, links: 0 });
  }
  expect(strange).toEqual([]);
});
