/* The settings that a panel's fields may have, as Grafana's field registry knows them, and the panel's data with them. */

import {
  applyFieldOverrides,
  cacheFieldDisplayNames,
  type DataFrame,
  type FieldConfigPropertyItem,
  FieldConfigOptionsRegistry,
  type FieldConfigSource,
  type GrafanaTheme2,
  locationUtil,
  type ScopedVars,
  standardTransformers,
  standardTransformersRegistry,
  transformDataFrame,
} from '@grafana/data';
import { firstValueFrom } from 'rxjs';

const OWN = [
  'actions', 'color', 'decimals', 'description', 'displayName', 'fieldMinMax', 'filterable', 'links', 'mappings', 'max',
  'min', 'noValue', 'thresholds', 'unit',
];

/* What a panel of this kind sets where the dashboard says nothing. */
const CUSTOM: Record<string, Record<string, unknown>> = {
  timeseries: {
    axisBorderShow: false, axisCenteredZero: false, axisColorMode: 'text', axisLabel: '', axisPlacement: 'auto',
    barAlignment: 0, barWidthFactor: 0.6, drawStyle: 'line', fillOpacity: 0, gradientMode: 'none',
    hideFrom: { legend: false, tooltip: false, viz: false }, insertNulls: false, lineInterpolation: 'linear', lineWidth: 1,
    pointSize: 5, scaleDistribution: { type: 'linear' }, showPoints: 'auto', spanNulls: false,
    stacking: { group: 'A', mode: 'none' }, thresholdsStyle: { mode: 'off' },
  },
  table: { align: 'auto', cellOptions: { type: 'auto' }, footer: { reducers: [] }, inspect: false },
};

export function startRegistries(): void {
  locationUtil.initialize({
    config: { appSubUrl: '', appUrl: '' } as never,
    getTimeRangeForUrl: () => ({ from: 'now-1h', to: 'now' }),
    getVariablesUrlParams: () => ({}),
  });
  const byId = new Map(Object.values(standardTransformers).map((one) => [one.id, one]));
  standardTransformersRegistry.setInit(() =>
    [...byId.values()].map((one) => ({
      description: one.description, editor: () => null, id: one.id, imageDark: '', imageLight: '', name: one.name,
      transformation: async () => one,
    })) as never,
  );
}

export async function transformed(frames: DataFrame[], transformations: Array<{ id: string; options: object }>): Promise<DataFrame[]> {
  for (const { id } of transformations) {
    if (!standardTransformersRegistry.getIfExists(id)) throw new Error(`no transformation of @grafana/data: ${id}`);
  }
  return firstValueFrom(transformDataFrame(transformations, frames));
}

/* The frames with names, units, colours and links, as the panel's fieldConfig says. */
export function withFields(kind: string, data: DataFrame[], source: FieldConfigSource, theme: GrafanaTheme2): DataFrame[] {
  const custom = CUSTOM[kind] ?? {};
  const fieldConfig = { ...source, defaults: { ...source.defaults, custom: { ...custom, ...source.defaults.custom } } };
  const asked = source.overrides.flatMap(({ properties }) => properties.map(({ id }) => id));
  const names = [...Object.keys(fieldConfig.defaults.custom), ...asked.filter(isCustom).map((id) => id.slice(7))];
  const fieldConfigRegistry = new FieldConfigOptionsRegistry(() => [
    ...OWN.map((name) => item(name, name, false)),
    ...[...new Set(names)].map((name) => item(`custom.${name}`, name, true)),
  ]);
  for (const id of asked) {
    if (!fieldConfigRegistry.getIfExists(id)) throw new Error(`an override of a property that no field has: ${id}`);
  }
  const named = applyFieldOverrides({ data, fieldConfig, fieldConfigRegistry, replaceVariables, theme, timeZone: 'utc' });
  cacheFieldDisplayNames(named); // as the panel of a table does before it hands them over
  return named;
}

const isCustom = (id: string) => id.startsWith('custom.');

function item(id: string, path: string, custom: boolean): FieldConfigPropertyItem {
  return {
    editor: () => null, getItemsCount: undefined, id, isCustom: custom, name: id, override: () => null, path,
    process: (value: unknown) => value, settings: {}, shouldApply: () => true,
  } as never;
}

/* A link's words: ${__field.labels.X}, ${__data.fields.X}; the other variables stay as they are. */
export function replaceVariables(text: string, scoped?: ScopedVars): string {
  const context = scoped?.__dataContext?.value;
  return text.replace(/\$\{__(field\.labels|data\.fields)\.(\w+)\}/g, (whole, kind: string, name: string) => {
    if (kind === 'field.labels') return context?.field?.labels?.[name] ?? whole;
    const found = context?.frame?.fields.find((one: { name: string }) => one.name === name);
    return found ? String(found.values[context?.rowIndex ?? 0]) : whole;
  });
}
