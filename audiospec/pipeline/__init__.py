"""The pipeline: from a dataset to the views of a store.

In the order of a run:

featurize, repair   the two ways in
verify, isolated    what is damaged; a process that may die of a file
sight               whether machines elsewhere see the audio and the store
survey              what is known of each file
plan                rows and shards of a view; which shards are missing
checks              conditions that end a run before it computes anything
schedule            missing shards of all views, grouped into tasks
tasks               the format of a task and of its results
worker              computes a task: decodes each track once
cutter              cuts the chunks of one view out of the decoded stream
filling             fills shards with rows: computed, or copied from where they exist
suspects            tracks over which workers died, to be tried alone
staging             finished shards of a view that is not complete yet
builder             computes until nothing is missing, then publishes the views
progress, summary   what is reported while a run goes on, and at its end
"""

#: Task function that computes shards. It is a name, so that only workers import the module.
COMPUTE = "audiospec.pipeline.worker:compute"
