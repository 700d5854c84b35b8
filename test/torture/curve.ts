/** The curve of a soak: samples over time, and whether what they show grows. */
import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { memoryUsage } from 'node:process'
import { tableText } from '../../src/surfaces/cli/output.ts'

/** What is measured, with its unit. */
export const MEASURES = ['rss', 'heapUsed', 'external', 'descriptors', 'folder'] as const

export type Measure = (typeof MEASURES)[number]

/** One look at a process and its folder; bytes, and a count of open descriptors. */
export type Sample = Readonly<Record<Measure, number>> & {
  readonly seconds: number
  /** Messages sent and messages ended since the sample before, a second. */
  readonly sentRate: number
  readonly endedRate: number
}

/** How a measure went after the warm-up: by least squares over all samples. */
export type Trend = {
  readonly measure: Measure
  readonly first: number
  readonly last: number
  /** Growth over the measured time, as a share of the mean. */
  readonly growth: number
  /** How much of the samples' spread the line explains: 1 is a straight line, 0 no trend at all. */
  readonly fit: number
  readonly isBounded: boolean
}

/** Growth that counts: more of it than this, along what is more a line than noise. */
const GROWTH_MAX = 0.1
const FIT_MIN = 0.5
/** A difference that small is none. */
const LEAST: Readonly<Record<Measure, number>> = {
  rss: 4 << 20,
  heapUsed: 1 << 20,
  external: 1 << 20,
  descriptors: 3,
  folder: 4 << 20,
}

/** What this process takes now, and what its folder takes on the device. */
export function measure(dir: string): Record<Measure, number> {
  const { rss, heapUsed, external } = memoryUsage()
  return { rss, heapUsed, external, descriptors: openDescriptors(), folder: allocatedBytes(dir) }
}

/** How each measure went over the samples after the warm-up. */
export function trendsOf(samples: readonly Sample[], warmUpSeconds: number): Trend[] {
  const measured = samples.filter(({ seconds }) => seconds >= warmUpSeconds)
  return MEASURES.map(name => {
    const points = measured.map(sample => [sample.seconds, sample[name]] as const)
    const { rise, mean, fit } = lineThrough(points)
    const growth = mean === 0 ? 0 : rise / mean
    const isBounded = growth < GROWTH_MAX || fit < FIT_MIN || rise < LEAST[name]
    return { measure: name, first: points[0]?.[1] ?? 0, last: points.at(-1)?.[1] ?? 0, growth, fit, isBounded }
  })
}

/** One row a minute, or each sample where there are few. */
export function curveText(samples: readonly Sample[], rows: number): string {
  const every = Math.max(1, Math.floor(samples.length / rows))
  const shown = samples.filter((_, i) => i % every === every - 1)
  return tableText(
    ['seconds', 'rss MiB', 'heap MiB', 'external MiB', 'descriptors', 'folder MiB', 'sent/s', 'ended/s'],
    shown.map(one => [
      Math.round(one.seconds),
      ...[mib(one.rss), mib(one.heapUsed), mib(one.external), one.descriptors, mib(one.folder)],
      ...[Math.round(one.sentRate), Math.round(one.endedRate)],
    ]),
  )
}

/** What the trends say. */
export function trendText(trends: readonly Trend[]): string {
  return tableText(
    ['after the warm-up', 'growth', 'fit', ''],
    trends.map(({ measure: name, growth, fit, isBounded }) => [
      name,
      `${(growth * 100).toFixed(1)} %`,
      fit.toFixed(2),
      isBounded ? 'bounded' : 'GROWS',
    ]),
  )
}

function lineThrough(points: readonly (readonly [number, number])[]): { rise: number; mean: number; fit: number } {
  const count = Math.max(1, points.length)
  const meanX = points.reduce((sum, [x]) => sum + x, 0) / count
  const mean = points.reduce((sum, [, y]) => sum + y, 0) / count
  let [xx, xy, yy] = [0, 0, 0]
  for (const [x, y] of points) {
    xx += (x - meanX) ** 2
    xy += (x - meanX) * (y - mean)
    yy += (y - mean) ** 2
  }
  const span = (points.at(-1)?.[0] ?? 0) - (points[0]?.[0] ?? 0)
  return { rise: xx === 0 ? 0 : (xy / xx) * span, mean, fit: xx === 0 || yy === 0 ? 0 : xy ** 2 / (xx * yy) }
}

const mib = (bytes: number): string => (bytes / (1 << 20)).toFixed(1)

function openDescriptors(): number {
  try {
    return readdirSync('/proc/self/fd').length
  } catch {
    return 0
  }
}

/** What the files under a folder take on the device: sparse files less than their length. */
function allocatedBytes(dir: string): number {
  let bytes = 0
  for (const entry of readdirSync(dir, { withFileTypes: true, recursive: true })) {
    if (!entry.isFile()) continue
    try {
      bytes += statSync(join(entry.parentPath, entry.name)).blocks * 512
    } catch (error) {
      // Retention has taken it meanwhile.
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    }
  }
  return bytes
}
