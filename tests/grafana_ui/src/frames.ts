/* InfluxDB's JSON as data frames, in the way of Grafana's own InfluxQL back end: a time series is a frame for each
   series and column, called by its alias; a table is one frame of all series, its tags as columns. */

import { type DataFrame, type Field, FieldType, type Labels } from '@grafana/data';

interface Series {
  columns: string[];
  name: string;
  tags?: Labels;
  values?: Array<Array<string | number | boolean | null>>;
}

export interface Raw {
  error?: string;
  results?: Array<{ error?: string; series?: Series[] }>;
}

export interface Target {
  alias?: string;
  refId: string;
  resultFormat: 'time_series' | 'table';
}

export function framesOf(raw: Raw, target: Target): DataFrame[] {
  const wrong = raw.error ?? raw.results?.find((one) => one.error)?.error;
  if (wrong) throw new Error(wrong);
  const series = raw.results?.[0]?.series ?? [];
  if (series.length === 0) return [];
  return target.resultFormat === 'table' ? [tableFrame(series, target)] : series.flatMap((one) => timeFrames(one, target));
}

function timeFrames(series: Series, target: Target): DataFrame[] {
  const rows = series.values ?? [];
  return series.columns.slice(1).map((column, i) => {
    const name = frameName(series, column, target.alias);
    const values = rows.map((row) => row[i + 1]);
    const value = field('Value', values, { displayNameFromDS: name }, series.tags);
    return { name, refId: target.refId, length: rows.length, fields: [field('Time', rows.map((row) => row[0])), value] };
  });
}

function tableFrame(all: Series[], target: Target): DataFrame {
  const rows = all.flatMap((one) => (one.values ?? []).map((values) => ({ tags: one.tags ?? {}, values })));
  const named = (name: string, values: unknown[]) => field(name, values, { displayNameFromDS: name });
  // Grafana goes through a map here, so that its order of tags is any; a panel must not rest on it.
  const tags = Object.keys(all[0].tags ?? {}).sort();
  const fields = [
    field('Time', rows.map(({ values }) => values[0])),
    ...tags.map((tag) => named(tag, rows.map((row) => row.tags[tag]))),
    ...all[0].columns.slice(1).map((column, i) => named(column, rows.map(({ values }) => values[i + 1]))),
  ];
  return { name: all[0].name, refId: target.refId, length: rows.length, fields };
}

function field(name: string, values: unknown[], config: Field['config'] = {}, labels?: Labels): Field {
  return { name, type: name === 'Time' ? FieldType.time : typeOf(values), config, labels, values };
}

function typeOf(values: unknown[]): FieldType {
  const first = values.find((value) => value !== null && value !== undefined);
  if (typeof first === 'string') return FieldType.string;
  return typeof first === 'boolean' ? FieldType.boolean : FieldType.number;
}

/* What stands for what in an alias: $tag_X, $m and $measurement, $col, and each also as [[X]]. */
function frameName({ name, tags = {} }: Series, column: string, alias?: string): string {
  if (!alias) {
    const labels = Object.entries(tags).map(([tag, value]) => `${tag}: ${value}`);
    return `${name}.${column}${labels.length ? ` { ${labels.join(', ')} }` : ''}`;
  }
  return alias.replace(/\$(\w+)|\[\[([\s\S]+?)\]\]/g, (whole, plain: string, bracketed: string) => {
    const word = plain ?? bracketed;
    if (word === 'm' || word === 'measurement') return name;
    if (word === 'col') return column;
    return word.startsWith('tag_') && word.slice(4) in tags ? tags[word.slice(4)] : whole;
  });
}
