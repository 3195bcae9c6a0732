/* A whole dashboard on Grafana's grid of 24 columns: the drop-downs as a strip, headings, and every panel. */

import { createTheme, type DataFrame, dateTime, type GrafanaTheme2, rangeUtil, ThemeContext, type TimeRange } from '@grafana/data';
import { Icon, PanelChrome, useTheme2 } from '@grafana/ui';
import { Component, type ReactElement, type ReactNode } from 'react';

import { framesOf, type Raw, type Target } from './frames';
import { transformed, withFields } from './fields';
import { Centred, Visualization } from './panels';

const CELL = 30;
const GAP = 8;
const COLUMNS = 24;

interface PanelJson {
  description?: string;
  fieldConfig: never;
  gridPos: { h: number; w: number; x: number; y: number };
  hideTimeOverride?: boolean;
  id: number;
  options: object;
  targets?: Target[];
  timeFrom?: string;
  timeShift?: string;
  title: string;
  transformations?: Array<{ id: string; options: object }>;
  type: string;
}

export interface Answer {
  from_ms: number;
  panel: number;
  raw: Raw;
  ref_id: string;
  to_ms: number;
}

export interface Content {
  answers: Answer[];
  chosen: Array<{ label: string; value: string }>;
  dashboard: { panels: PanelJson[]; title: string };
  mode: 'dark' | 'light';
  width: number;
}

export interface Prepared {
  failed?: string;
  frames: DataFrame[];
  panel: PanelJson;
  range: TimeRange;
}

export const themeOf = (mode: 'dark' | 'light'): GrafanaTheme2 => createTheme({ colors: { mode } });

/* Every panel's frames, as the panel gets them; a failure is the panel's own. */
export async function prepare({ answers, dashboard, mode }: Content): Promise<Prepared[]> {
  const theme = themeOf(mode);
  return Promise.all(
    dashboard.panels.map(async (panel): Promise<Prepared> => {
      const own = answers.filter((one) => one.panel === panel.id);
      const range = rangeOf(own);
      try {
        const raw = (panel.targets ?? []).flatMap((target) =>
          own.filter((one) => one.ref_id === target.refId).flatMap((one) => framesOf(one.raw, target)),
        );
        const frames = panel.transformations ? await transformed(raw, panel.transformations) : raw;
        return { frames: panel.type === 'row' ? [] : withFields(panel.type, frames, panel.fieldConfig, theme), panel, range };
      } catch (error) {
        return { failed: String(error), frames: [], panel, range };
      }
    }),
  );
}

function rangeOf(answers: Answer[]): TimeRange {
  const [from, to] = [dateTime(answers[0]?.from_ms ?? 0), dateTime(answers[0]?.to_ms ?? 1)];
  return { from, raw: { from, to }, to };
}

export function Page({ content, panels }: { content: Content; panels: Prepared[] }): ReactElement {
  const theme = themeOf(content.mode);
  const column = (content.width - 2 * GAP - (COLUMNS - 1) * GAP) / COLUMNS;
  const size = (cells: number, cell: number) => cells * cell + (cells - 1) * GAP;
  const bottom = Math.max(...panels.map(({ panel: { gridPos } }) => gridPos.y + gridPos.h));
  return (
    <ThemeContext.Provider value={theme}>
      <div id="dashboard" style={{ background: theme.colors.background.canvas, padding: GAP, width: content.width }}>
        <Strip content={content} theme={theme} />
        <div style={{ height: size(bottom, CELL), position: 'relative' }}>
          {panels.map((one) => {
            const { h, w, x, y } = one.panel.gridPos;
            const [width, height] = [size(w, column), size(h, CELL)];
            return (
              <div
                data-kind={one.panel.type}
                data-panel={one.panel.id}
                key={one.panel.id}
                style={{ height, left: x * (column + GAP), position: 'absolute', top: y * (CELL + GAP), width }}
              >
                <OnePanel height={height} prepared={one} width={width} />
              </div>
            );
          })}
        </div>
      </div>
    </ThemeContext.Provider>
  );
}

function Strip({ content, theme }: { content: Content; theme: GrafanaTheme2 }): ReactElement {
  const box = { background: theme.components.input.background, border: `1px solid ${theme.components.input.borderColor}`, borderRadius: 2 };
  return (
    <div style={{ alignItems: 'center', display: 'flex', flexWrap: 'wrap', gap: GAP, paddingBottom: GAP }}>
      <strong style={{ fontSize: 16, paddingRight: GAP }}>{content.dashboard.title}</strong>
      {content.chosen.map(({ label, value }) => (
        <span key={label} style={{ display: 'inline-flex', fontSize: 12 }}>
          <span style={{ ...box, padding: '4px 8px' }}>{label}</span>
          <span style={{ ...box, borderLeft: 0, padding: '4px 8px' }}>
            {value} <Icon name="angle-down" size="sm" />
          </span>
        </span>
      ))}
    </div>
  );
}

function OnePanel({ height, prepared, width }: { height: number; prepared: Prepared; width: number }): ReactElement {
  const { failed, frames, panel, range } = prepared;
  if (panel.type === 'row') {
    return (
      <div style={{ alignItems: 'center', display: 'flex', fontSize: 16, fontWeight: 500, height }}>
        <Icon name="angle-down" />
        &nbsp;{panel.title}
      </div>
    );
  }
  const time = panel.hideTimeOverride ? "" : timeInfo(panel);
  return (
    <PanelChrome
      description={panel.description}
      height={height}
      title={panel.title}
      titleItems={time ? <TimeInfo>{time}</TimeInfo> : undefined}
      width={width}
    >
      {(innerWidth, innerHeight) => (
        <Caught>
          {failed ? (
            <Centred>{`failed: ${failed}`}</Centred>
          ) : (
            <Visualization
              fieldConfig={panel.fieldConfig}
              frames={frames}
              height={innerHeight}
              kind={panel.type}
              options={panel.options}
              timeRange={range}
              width={innerWidth}
            />
          )}
        </Caught>
      )}
    </PanelChrome>
  );
}

/* What a panel's header says of a time range of its own; a range that Grafana cannot read is told there too. */
function timeInfo({ timeFrom, timeShift }: PanelJson): string {
  const told = timeFrom ? rangeUtil.describeTextRange(timeFrom) : undefined;
  if (told?.invalid) return 'failed: invalid time override';
  if (timeShift && rangeUtil.describeTextRange(timeShift).invalid) return 'failed: invalid timeshift';
  return `${told?.display ?? ''}${timeShift ? ` timeshift -${timeShift}` : ''}`.trim();
}

function TimeInfo({ children }: { children: string }): ReactElement {
  const theme = useTheme2();
  return (
    <PanelChrome.TitleItem>
      <span style={{ color: theme.colors.text.link, fontSize: 12, whiteSpace: 'nowrap' }}>
        <Icon name="clock-nine" size="sm" /> {children}
      </span>
    </PanelChrome.TitleItem>
  );
}

/* A component that throws leaves its reason in the panel's place. */
class Caught extends Component<{ children: ReactNode }, { failed?: string }> {
  state: { failed?: string } = {};

  static getDerivedStateFromError(error: unknown): { failed: string } {
    return { failed: String(error) };
  }

  render(): ReactNode {
    return this.state.failed ? <Centred>{`failed: ${this.state.failed}`}</Centred> : this.props.children;
  }
}
