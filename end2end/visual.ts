import { readFile } from 'node:fs/promises';
import path from 'node:path';
import type { Page } from '@playwright/test';

const FONTS = path.join(import.meta.dirname, 'node_modules/dejavu-fonts-ttf/ttf');

/** Fonts of our own, so that a picture is the same on every host. */
const FACES: [family: string, file: string, weight: number][] = [
  ['picture', 'DejaVuSans.ttf', 400],
  ['picture', 'DejaVuSans-Bold.ttf', 600],
  ['picture-mono', 'DejaVuSansMono.ttf', 400],
];

/**
 * What is of the moment has the same size in every picture, and no ink: times, how long something took, and where on the timeline
 * something is due.
 */
const STILL = `
  :root { --font: picture !important; --mono: picture-mono !important; }
  *, *::before, *::after { animation: none !important; transition: none !important; caret-color: transparent !important; }
  time, .lasting { display: inline-block !important; width: 80px !important; height: 1.2em; overflow: hidden; vertical-align: bottom; }
  .badge-detail { display: none; }
  time, .lasting, .clock, .upcoming code, .timed, .slowest td:nth-child(2), .chart b ~ *, .chart span, .line-time { color: transparent !important; }
  .chart svg, .spark, .slowest svg, .upcoming .tag, .upcoming .note, .timeline .time, .timeline .due { visibility: hidden !important; }
  .upcoming .note { display: none !important; }
`;

/** Words that are of this test alone: names of runs, its directory, its processes and ports, the browser; and what stands for them. */
const WORDS: [pattern: string, instead: string][] = [
  ['_1\\d{9}\\b', '_0000000000'],
  ['/\\S*/saltpeter-\\w{6}\\b', '/saltpeter'],
  ['/\\S*/saltpeter-wrapper\\b', '/saltpeter-wrapper'],
  ['\\bpid \\d+', 'pid 0'],
  ['^\\d{5}$', '00000'],
  ['^Mozilla/.*', 'Mozilla'],
];

/** The style sheet for pictures. */
export async function pictureStyle(): Promise<string> {
  const faces = await Promise.all(
    FACES.map(async ([family, name, weight]) => {
      const font = (await readFile(path.join(FONTS, name))).toString('base64');
      return `@font-face { font-family: ${family}; font-weight: ${weight}; src: url(data:font/ttf;base64,${font}); }`;
    }),
  );
  return faces.join('\n') + STILL;
}

/** Puts it into the page, and waits until its fonts are there. */
export async function still(page: Page, style: string): Promise<void> {
  await page.addStyleTag({ content: style });
  await page.evaluate(async () => {
    await Promise.all(['14px picture', 'bold 14px picture', '12px picture-mono'].map((font) => document.fonts.load(font)));
    await document.fonts.ready;
  });
}

/** Puts in what stands for the words of this test alone. Live pages may write them anew. */
export async function neutral(page: Page): Promise<void> {
  await page.evaluate((words) => {
    const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    for (let node = texts.nextNode(); node; node = texts.nextNode()) {
      const text = node.nodeValue ?? '';
      const other = words.reduce((text, [pattern, instead]) => text.replace(new RegExp(pattern, 'g'), instead), text);
      if (other !== text) node.nodeValue = other;
    }
  }, WORDS);
}
