"""Pages about results: data (`page`), charts (`charts`), and the one builder that writes them as HTML (`writer`).

What a page says stands next to what it is about: `qubo_dnn.solving.report`, `qubo_dnn.compression.report` and
`qubo_dnn.embedding.report`. A page about another kind of result is one more function that returns a `page.Page`.
"""
