/* What a dashboard's file may hold: Grafana's own published types (@grafana/schema), brought together for each kind of
   panel. Grafana leaves options, custom settings, overrides and queries open, as any plugin may have its own; here they
   are those of the five kinds of panel that the dashboards use, and of an InfluxQL query. */

import type { Dashboard, DataQuery, FieldConfig, FieldConfigSource, Panel, RowPanel, TableFieldOptions } from '@grafana/schema';
import type { Options as BarGaugeOptions } from '@grafana/schema/dist/esm/raw/composable/bargauge/panelcfg/x/BarGaugePanelCfg_types.gen';
import type { Options as StatOptions } from '@grafana/schema/dist/esm/raw/composable/stat/panelcfg/x/StatPanelCfg_types.gen';
import type { Options as TableOptions } from '@grafana/schema/dist/esm/raw/composable/table/panelcfg/x/TablePanelCfg_types.gen';
import type {
  FieldConfig as TimeSeriesField,
  Options as TimeSeriesOptions,
} from '@grafana/schema/dist/esm/raw/composable/timeseries/panelcfg/x/TimeSeriesPanelCfg_types.gen';

interface InfluxQuery extends DataQuery {
  alias?: string;
  query: string;
  rawQuery: true;
  resultFormat: 'time_series' | 'table';
}

interface DataLink {
  oneClick?: boolean;
  targetBlank?: boolean;
  title: string;
  url: string;
}

interface Transformation {
  disabled?: boolean;
  id: string;
  options: object;
}

/* One property of an override: any of a field's own, or one of the panel kind's. JSON Schema cannot say so much. */
interface AnyProperty {
  id: string;
  value: unknown;
}

type Property<TCustom> =
  | { [K in keyof Field<TCustom> & string]-?: { id: K; value: Field<TCustom>[K] } }[keyof Field<TCustom> & string]
  | { [K in keyof TCustom & string]-?: { id: `custom.${K}`; value: TCustom[K] } }[keyof TCustom & string];

interface Field<TCustom> extends Omit<FieldConfig, 'custom' | 'links'> {
  custom?: TCustom;
  links?: DataLink[];
}

interface Fields<TCustom, TProperty> {
  defaults: Field<TCustom>;
  overrides: Array<{ matcher: FieldConfigSource['overrides'][number]['matcher']; properties: TProperty[] }>;
}

type Open = 'fieldConfig' | 'options' | 'targets' | 'transformations' | 'type';
interface PanelOf<TType, TOptions, TCustom, TProperty> extends Omit<Panel, Open> {
  fieldConfig: Fields<Partial<TCustom>, TProperty>;
  gridPos: NonNullable<Panel['gridPos']>;
  id: number;
  options: Partial<TOptions>;
  targets: InfluxQuery[];
  title: string;
  transformations?: Transformation[];
  type: TType;
}

type None = Record<never, never>;
export type StatPanel = PanelOf<'stat', StatOptions, None, Property<None>>;
export type BarGaugePanel = PanelOf<'bargauge', BarGaugeOptions, None, Property<None>>;
export type TimeSeriesPanel = PanelOf<'timeseries', TimeSeriesOptions, TimeSeriesField, Property<TimeSeriesField>>;
export type TablePanel = PanelOf<'table', TableOptions, TableFieldOptions, Property<TableFieldOptions>>;
export type Heading = RowPanel;

export type StatPanelSchema = PanelOf<'stat', StatOptions, None, AnyProperty>;
export type BarGaugePanelSchema = PanelOf<'bargauge', BarGaugeOptions, None, AnyProperty>;
export type TimeSeriesPanelSchema = PanelOf<'timeseries', TimeSeriesOptions, TimeSeriesField, AnyProperty>;
export type TablePanelSchema = PanelOf<'table', TableOptions, TableFieldOptions, AnyProperty>;
export type HeadingSchema = Heading;
export type FrameSchema = Frame;

/* The dashboard without its panels, each of which is checked by itself. */
export interface Frame extends Omit<Dashboard, 'panels'> {
  templating: NonNullable<Dashboard['templating']>;
  time: NonNullable<Dashboard['time']>;
  title: string;
  uid: string;
}

/* The same with the words of an enumeration in place of its names, as JSON has them. */
export type Plain<T> = T extends string ? `${T}` : T extends object ? { [K in keyof T]: Plain<T[K]> } : T;
