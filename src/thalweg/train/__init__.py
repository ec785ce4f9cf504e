"""The loop: from a recipe to a trained network."""

from thalweg.train.evaluate import evaluate as evaluate
from thalweg.train.evaluate import predict as predict
from thalweg.train.folder import Folder as Folder
from thalweg.train.folder import new_folder as new_folder
from thalweg.train.job import Job as Job
from thalweg.train.job import describe as describe
from thalweg.train.job import make_job as make_job
from thalweg.train.loop import Row as Row
from thalweg.train.loop import Snapshot as Snapshot
from thalweg.train.loop import advance as advance
from thalweg.train.loop import better as better
from thalweg.train.loop import fix_generators as fix_generators
from thalweg.train.loop import score as score
from thalweg.train.loop import start_epoch as start_epoch
from thalweg.train.recipe import Recipe as Recipe
from thalweg.train.recipe import replace as replace
from thalweg.train.recipe_file import FAMILIES as FAMILIES
from thalweg.train.recipe_file import read_recipe as read_recipe
from thalweg.train.recipe_file import recipe_from_plain as recipe_from_plain
from thalweg.train.recipe_file import recipe_to_plain as recipe_to_plain
from thalweg.train.session import Session as Session
from thalweg.train.session import resume as resume
from thalweg.train.session import start as start
from thalweg.train.stopping import EarlyStopping as EarlyStopping
