/* One panel of each kind, drawn by the component that Grafana draws it with. */

import {
  type DataFrame,
  type FieldConfigSource,
  type FieldDisplay,
  FieldType,
  getDisplayValueAlignmentFactors,
  getFieldDisplayValues,
  type TimeRange,
  VizOrientation,
} from '@grafana/data';
import { BarGauge, BigValue, TimeSeries, useTheme2, VizRepeater } from '@grafana/ui';
import { TableNG } from '@grafana/ui/unstable';
import { defaultOptions as ofBars } from '@grafana/schema/dist/esm/raw/composable/bargauge/panelcfg/x/BarGaugePanelCfg_types.gen';
import { defaultOptions as ofStat } from '@grafana/schema/dist/esm/raw/composable/stat/panelcfg/x/StatPanelCfg_types.gen';
import { defaultOptions as ofTable } from '@grafana/schema/dist/esm/raw/composable/table/panelcfg/x/TablePanelCfg_types.gen';
import { type ReactElement } from 'react';

import { replaceVariables } from './fields';

/* What each kind does where the dashboard says nothing. */
const DEFAULTS: Record<string, object> = { bargauge: ofBars, stat: ofStat, table: ofTable };

export interface Drawn {
  fieldConfig: FieldConfigSource;
  frames: DataFrame[];
  height: number;
  kind: string;
  // biome-ignore lint: each kind has its own
  options: any;
  timeRange: TimeRange;
  width: number;
}

const KINDS: Record<string, (props: Drawn) => ReactElement> = { bargauge: Bars, stat: Stat, table: Rows, timeseries: Lines };

export function Visualization(props: Drawn): ReactElement {
  const Kind = KINDS[props.kind];
  if (!Kind) throw new Error(`no component of @grafana/ui draws a panel of the type ${props.kind}`);
  if (!props.frames.some((frame) => frame.length > 0)) return <Centred>{props.fieldConfig.defaults.noValue ?? 'No data'}</Centred>;
  return <Kind {...props} options={{ ...DEFAULTS[props.kind], ...props.options }} />;
}

export function Centred({ children }: { children: string }): ReactElement {
  return <div style={{ alignItems: 'center', display: 'flex', height: '100%', justifyContent: 'center' }}>{children}</div>;
}

function useValues({ fieldConfig, frames, options }: Drawn): () => FieldDisplay[] {
  const theme = useTheme2();
  const { reduceOptions } = options;
  return () =>
    getFieldDisplayValues({
      data: frames, fieldConfig, percentChange: options.showPercentChange, reduceOptions, replaceVariables,
      sparkline: (options.graphMode ?? 'none') !== 'none', theme, timeZone: 'utc',
    });
}

function Stat(props: Drawn): ReactElement {
  const { height, options, width } = props;
  const theme = useTheme2();
  const getValues = useValues(props);
  return (
    <VizRepeater<FieldDisplay, ReturnType<typeof getDisplayValueAlignmentFactors>>
      autoGrid
      getAlignmentFactors={getDisplayValueAlignmentFactors}
      getValues={getValues}
      height={height}
      orientation={options.orientation ?? VizOrientation.Auto}
      renderCounter={0}
      source={props.frames}
      width={width}
      renderValue={({ alignmentFactors, count, height, value, width }) => (
        <BigValue
          alignmentFactors={alignmentFactors}
          colorMode={options.colorMode}
          count={count}
          disableWideLayout={options.wideLayout === false}
          graphMode={options.graphMode}
          height={height}
          justifyMode={options.justifyMode}
          sparkline={value.sparkline}
          text={options.text}
          textMode={options.textMode}
          theme={theme}
          value={value.display}
          width={width}
        />
      )}
    />
  );
}

function Bars(props: Drawn): ReactElement {
  const { height, options, width } = props;
  const theme = useTheme2();
  const getValues = useValues(props);
  return (
    <VizRepeater<FieldDisplay, ReturnType<typeof getDisplayValueAlignmentFactors>>
      getAlignmentFactors={getDisplayValueAlignmentFactors}
      getValues={getValues}
      height={height}
      itemSpacing={8}
      maxVizHeight={options.sizing === 'manual' ? options.maxVizHeight : 300}
      minVizHeight={options.sizing === 'manual' ? options.minVizHeight : 16}
      minVizWidth={options.sizing === 'manual' ? options.minVizWidth : 8}
      orientation={options.orientation ?? VizOrientation.Auto}
      renderCounter={0}
      source={props.frames}
      width={width}
      renderValue={({ alignmentFactors, height, orientation, value, width }) => (
        <BarGauge
          alignmentFactors={alignmentFactors}
          display={value.view?.getFieldDisplayProcessor(value.colIndex ?? 0)}
          displayMode={options.displayMode}
          field={value.field}
          height={height}
          namePlacement={options.namePlacement}
          orientation={orientation}
          showUnfilled={options.showUnfilled}
          text={options.text}
          theme={theme}
          value={value.display}
          valueDisplayMode={options.valueMode}
          width={width}
        />
      )}
    />
  );
}

function Lines({ frames, height, options, timeRange, width }: Drawn): ReactElement {
  if (!frames.some(({ fields }) => fields.some(({ type }) => type === FieldType.number))) return <Centred>No data</Centred>;
  return <TimeSeries frames={frames} height={height} legend={options.legend} options={options} timeRange={timeRange} timeZone="utc" width={width} />;
}

function Rows({ fieldConfig, frames, height, options, timeRange, width }: Drawn): ReactElement {
  return (
    <TableNG
      cellHeight={options.cellHeight}
      data={frames[options.frameIndex ?? 0]}
      enablePagination={options.enablePagination}
      enableVirtualization={false}
      fieldConfig={fieldConfig}
      height={height}
      noHeader={!options.showHeader}
      noValue={fieldConfig.defaults.noValue}
      resizable={false}
      sortBy={options.sortBy}
      structureRev={1}
      timeRange={timeRange}
      width={width}
    />
  );
}
