/** Small devices of their own for tests of full and read-only disks; needs root, and says so where it is not. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'

/** Why nothing can be mounted here; undefined where it can. */
export const NO_MOUNT: string | undefined = tryMount()
if (NO_MOUNT !== undefined) console.log(`SKIPPED full and read-only devices: ${NO_MOUNT}`)

/** An empty device of so many bytes in memory, unmounted when the running test has ended. */
export function mountedDevice(sizeBytes: number): string {
  const folder = mkdtempSync(join(tmpdir(), 'pocketmq-device-'))
  mount(folder, sizeBytes)
  onTestFinished(() => unmount(folder))
  return folder
}

/** Turns a mounted device read-only, or writable again. */
export function remount(folder: string, how: 'ro' | 'rw'): void {
  execFileSync('mount', ['-o', `remount,${how}`, folder], { stdio: 'pipe' })
}

function mount(folder: string, sizeBytes: number): void {
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${sizeBytes}`, 'tmpfs', folder], { stdio: 'pipe' })
}

function unmount(folder: string): void {
  // Lazily: a mapping or descriptor that a failed test leaves behind must not keep the device.
  execFileSync('umount', ['-l', folder], { stdio: 'pipe' })
  rmdirSync(folder)
}

function tryMount(): string | undefined {
  if (process.platform !== 'linux') return `no tmpfs on ${process.platform}`
  if (process.getuid?.() !== 0) return 'only root may mount'
  const folder = mkdtempSync(join(tmpdir(), 'pocketmq-device-'))
  try {
    mount(folder, 1 << 20)
    unmount(folder)
    return undefined
  } catch (error) {
    rmdirSync(folder)
    return error instanceof Error ? (error.message.split('\n')[1] ?? error.message) : String(error)
  }
}
