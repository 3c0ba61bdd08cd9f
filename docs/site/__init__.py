"""The site: the course, the reference of every public name, results and proof, as pages.

    python -m docs.site             # docs/_build/site/index.html, checked; needs the extra `site`

Pages need no network, neither to be built nor to be read, and no server. Sphinx makes them; what is
particular stands here, a file each:

    sources         which file of the repository is which page
    api             pages of the public names, by package and module
    commands        the page of the command line
    source_links    one click from a public name to its source
    docstrings      a docstring as MyST Markdown
    equations       equations of docstrings as MathML
    formulas        LaTeX as MathML
    lessons         notebooks as pages, their contents, the map of what needs what
    languages       English and Chinese side by side: menus, words, search
    checks          what the finished pages must hold
    conf            settings of Sphinx
"""
