/** `npm run bench:report`: writes the README's figures, the page of all figures and the charts anew, from the published run that is saved. */
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { withSection } from './report/markdown.ts'
import { PUBLISHED_RUN, README_MARK, readmeSection, renderedOf } from './report/render.ts'
import { projectRoot } from './support/machine.ts'
import { readRun } from './support/saved-run.ts'

const pathOf = (path: string): string => fileURLToPath(new URL(path, projectRoot()))

const run = readRun(pathOf(PUBLISHED_RUN))
const CHARTS = 'data/bench/'
mkdirSync(pathOf(CHARTS), { recursive: true })
for (const name of readdirSync(pathOf(CHARTS))) if (name.endsWith('.svg')) rmSync(pathOf(`${CHARTS}${name}`))
for (const { path, text } of renderedOf(run)) writeFileSync(pathOf(path), text)
const readme = pathOf('README.md')
writeFileSync(readme, withSection(readFileSync(readme, 'utf8'), README_MARK, readmeSection(run)))
console.log(run === undefined ? 'no published run is saved' : `rendered the run of ${run.machine.date}`)
