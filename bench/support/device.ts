/** How many bytes the block device below a folder has taken: what the page cache cannot flatter. Linux; elsewhere unknown. */
import { existsSync, readFileSync, statSync } from 'node:fs'

const SECTOR_BYTES = 512
/** Sectors written: the seventh number of the kernel's Documentation/block/stat. */
const SECTORS_WRITTEN = 6

/** The `stat` file of the device below `folder`. */
export function deviceStatOf(folder: string): string | undefined {
  const { dev } = statSync(folder)
  const major = Math.floor(dev / 256) % 4096
  const minor = (dev % 256) + Math.floor(dev / 2 ** 20) * 256
  const file = `/sys/dev/block/${major}:${minor}/stat`
  return existsSync(file) ? file : undefined
}

/** Bytes the device has taken since the machine started. */
export function bytesOnDevice(deviceStat: string | undefined): number | undefined {
  if (deviceStat === undefined) return undefined
  const sectors = readFileSync(deviceStat, 'utf8').trim().split(/\s+/)[SECTORS_WRITTEN]
  return Number(sectors) * SECTOR_BYTES
}
