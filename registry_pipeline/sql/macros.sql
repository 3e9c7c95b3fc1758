-- Macros that several SQL files use. One rule each; the steps that use them stand in standardise.py.
SELECT 1;
