"""Pieces of the HTML report: markup, charts as inline SVG, sections. They draw a `Story` and read no run.

Every text that comes from outside goes through `escape`; markup is made of strings that this folder wrote.
"""
