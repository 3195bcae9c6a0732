/* window.draw(content) draws one dashboard and tells what each panel shows. */

import { dateMath, dateTime, getValueFormats, rangeUtil, ThemeContext } from '@grafana/data';
import { GlobalStyles } from '@grafana/ui';
import { createRoot, type Root } from 'react-dom/client';

import { startRegistries } from './fields';
import { type Content, Page, prepare, themeOf } from './page';

interface Shown {
  cut: boolean;
  id: number;
  kind: string;
  text: string;
  title: string;
}

let root: Root | undefined;
const styles = createRoot(document.getElementById('styles') as HTMLElement);

async function draw(content: Content): Promise<Shown[]> {
  root?.unmount();
  await styled(content.mode);
  const panels = await prepare(content);
  root = createRoot(document.getElementById('root') as HTMLElement);
  root.render(<Page content={content} panels={panels} />);
  await settled();
  return panels.map(({ panel }) => {
    const box = document.querySelector<HTMLElement>(`[data-panel="${panel.id}"]`) as HTMLElement;
    const heading = box.querySelector<HTMLElement>('h2');
    return {
      cut: heading !== null && heading.scrollWidth > heading.clientWidth,
      id: panel.id, kind: panel.type, text: box.innerText, title: panel.title,
    };
  });
}

/* Grafana's style sheet and its fonts come first: components measure their text when they are drawn. */
async function styled(mode: Content['mode']): Promise<void> {
  styles.render(
    <ThemeContext.Provider value={themeOf(mode)}>
      <GlobalStyles />
    </ThemeContext.Provider>,
  );
  await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
  await Promise.all(['400', '500', '600', '700'].map((weight) => document.fonts.load(`${weight} 14px Inter`)));
}

/* Components measure themselves after they were drawn, and fetch their icons: wait until nothing changes any more. */
async function settled(): Promise<void> {
  let last = '';
  for (let quiet = 0, rounds = 0; quiet < 4; rounds++) {
    if (rounds > 400) throw new Error('what is drawn does not come to rest');
    await new Promise((done) => setTimeout(done, 50));
    await new Promise((done) => requestAnimationFrame(done));
    const now = document.body.innerHTML;
    quiet = now === last ? quiet + 1 : 0;
    last = now;
  }
}

/* The time range of a panel of a dashboard that opens with `from` to now, milliseconds, as Grafana reckons it. */
function range(from: string, timeFrom: string | null, timeShift: string | null, nowMs: number): number[] {
  const own = timeFrom === null ? { from, to: 'now' } : rangeUtil.describeTextRange(timeFrom);
  return [own.from, own.to].map((text, i) => {
    const at = dateMath.toDateTime(text, { now: dateTime(nowMs), roundUp: false, timezone: 'utc' });
    const shifted = timeShift === null ? at : dateMath.parseDateMath(`-${timeShift}`, dateTime(at).utc(), i === 1);
    if (!shifted) throw new Error(`no time that Grafana can read: ${text} ${timeShift}`);
    return shifted.valueOf();
  });
}

const units = (): string[] => getValueFormats().flatMap(({ submenu }) => submenu.map(({ value }) => value));

startRegistries();
Object.assign(window, { draw, range, units });
