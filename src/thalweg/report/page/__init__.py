"""Pieces of the HTML report: markup, charts as inline SVG, sections. Nothing here reads a run; all of it draws a `Story`.

Every text that comes from outside goes through `escape`; markup is made of strings that this folder wrote.
"""
