/** `npm ci` refuses a lock file that lacks a dependency, be it one for another platform. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { REPOSITORY } from './sources.ts'

type Locked = {
  readonly dependencies?: object
  readonly optionalDependencies?: object
  readonly devDependencies?: object
}

it('package-lock.json has every dependency, those for other platforms included', () => {
  const lock = JSON.parse(readFileSync(join(REPOSITORY, 'package-lock.json'), 'utf8')) as {
    packages: Record<string, Locked>
  }
  const missing: string[] = []
  for (const [path, { dependencies, optionalDependencies, devDependencies }] of Object.entries(lock.packages)) {
    for (const name of Object.keys({ ...dependencies, ...optionalDependencies, ...devDependencies })) {
      if (!foldersFor(path, name).some(folder => folder in lock.packages)) missing.push(`${name}, wanted by ${path}`)
    }
  }
  expect(missing).toEqual([])
})

/** Where Node looks for a package: beside the one that wants it, then further up. */
function foldersFor(path: string, name: string): string[] {
  const folders: string[] = []
  for (let at = path; ; at = at.slice(0, Math.max(0, at.lastIndexOf('/node_modules/')))) {
    folders.push(`${at === '' ? '' : `${at}/`}node_modules/${name}`)
    if (at === '') return folders
  }
}
