"""Watching somebody else's loop: what is written down, and how."""

from thalweg.diagnosis.watching.places import Place as Place
from thalweg.diagnosis.watching.records import Case as Case
from thalweg.diagnosis.watching.records import Course as Course
from thalweg.diagnosis.watching.records import Load as Load
from thalweg.diagnosis.watching.records import Loader as Loader
from thalweg.diagnosis.watching.records import Look as Look
from thalweg.diagnosis.watching.records import Note as Note
from thalweg.diagnosis.watching.records import Op as Op
from thalweg.diagnosis.watching.records import Ref as Ref
from thalweg.diagnosis.watching.records import Root as Root
from thalweg.diagnosis.watching.records import Sample as Sample
from thalweg.diagnosis.watching.records import Value as Value
from thalweg.diagnosis.watching.watch import Enough as Enough
from thalweg.diagnosis.watching.watch import Watch as Watch
