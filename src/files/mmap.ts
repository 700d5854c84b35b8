/**
 * The one importer of mmap-io, an optional package that is compiled when it is installed. It has no unmap: a mapping goes
 * when the garbage collector takes the last view of it, and until then a removed file keeps its room on the device.
 */
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { PocketMQError } from '../base/errors.ts'
import { extendSegment, extendSegmentSync } from './buffered-segment.ts'
import type { MappedFile, SegmentOptions } from './file-system.ts'
import { brokenFile, ioError } from './io-error.ts'
import { MappedSegment } from './mapped-segment.ts'
import { NodeFile } from './node-file.ts'

/** What is used of mmap-io. Its own types do not fit NodeNext. */
type Mmap = {
  map(bytes: number, protection: number, flags: number, fd: number, offset: number): Buffer
  readonly PROT_READ: number
  readonly PROT_WRITE: number
  readonly MAP_SHARED: number
}

let loaded: Mmap | undefined

/**
 * Loads the addon, once.
 * @throws INVALID_ARGUMENT where it was not installed or cannot be loaded: `io: 'mmap'` cannot be had here
 */
export async function loadMmap(): Promise<void> {
  if (loaded !== undefined) return
  try {
    loaded = compiledHere() ?? ((await import('mmap-io')) as unknown as { default: Mmap }).default
  } catch (thrown) {
    throw unavailable(thrown)
  }
}

/**
 * The addon from where its installation leaves it; undefined where it is not there. The package itself looks for it with
 * node-pre-gyp, whose modules take 60 ms to load, twice as long as opening a store does.
 */
function compiledHere(): Mmap | undefined {
  const require = createRequire(import.meta.url)
  const { platform, arch, versions } = process
  try {
    const folder = dirname(require.resolve('mmap-io/package.json'))
    return require(
      join(folder, 'build/binding/Release', `node-v${versions.modules}-${platform}-${arch}`, 'mmap_io.node'),
    ) as Mmap
  } catch {
    return undefined
  }
}

/** Opens or creates a segment at full length and maps it. */
export async function openMappedSegment(path: string, options: SegmentOptions): Promise<MappedFile> {
  await loadMmap()
  const file = await NodeFile.open(path, 'create', options.mode)
  try {
    await extendSegment(file, options.lengthBytes)
    const segment = new MappedSegment(file, mapWhole(file, options.lengthBytes), options)
    await segment.firstZeros()
    return segment
  } catch (thrown) {
    await file.close()
    throw thrown
  }
}

/** The same on the event loop, with nothing prepared yet; for one who has opened a segment before. */
export function openMappedSegmentSync(path: string, options: SegmentOptions): MappedFile {
  const file = NodeFile.openSync(path, 'create', options.mode)
  try {
    extendSegmentSync(file, options.lengthBytes)
    return new MappedSegment(file, mapWhole(file, options.lengthBytes), options)
  } catch (thrown) {
    file.closeSync()
    throw thrown
  }
}

function mapWhole(file: NodeFile, lengthBytes: number): Buffer {
  if (loaded === undefined) throw unavailable(undefined)
  const sizeBytes = file.sizeBytesSync()
  // Touching a page beyond the end of the file would kill the process.
  if (sizeBytes < lengthBytes) {
    const details = { expected: lengthBytes, found: sizeBytes }
    throw brokenFile(`${file.path} has become shorter while it was opened`, file.path, details)
  }
  try {
    return loaded.map(lengthBytes, loaded.PROT_READ | loaded.PROT_WRITE, loaded.MAP_SHARED, file.fd, 0)
  } catch (thrown) {
    throw ioError(thrown, 'map', file.path, { lengthBytes })
  }
}

function unavailable(cause: unknown): PocketMQError {
  return new PocketMQError('INVALID_ARGUMENT', "io: 'mmap' is not to be had here: mmap-io cannot be loaded", {
    hint: "Install the optional package mmap-io (npm i mmap-io@npm:@riaskov/mmap-io; needs a C++ compiler), or leave io at 'auto'.",
    cause,
    details: { option: 'io', given: 'mmap' },
  })
}
